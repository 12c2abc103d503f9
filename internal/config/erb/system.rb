# Renders one compiled template after another for Galley in the real Ruby, in
# one process, so that what a template leaves behind is there for the next.
%w[erb yaml json pathname time uri open-uri set tmpdir fileutils shellwords].each { |lib| require lib }

module GalleyRequire
  def require(name)
    super
  rescue LoadError
    raise unless name.match?(%r{\A(?:kitchen|mixlib|chef|poise_boiler)(?:[-/]|\z)})
    warn "warning: #{name} is not installed; Galley goes on without it"
    false
  end
end
Object.prepend(GalleyRequire)

# The text of a template, which notes what is appended: by <<, literally; by
# concat, from code.
class GalleyText < String
  READ = []

  def pieces
    @pieces ||= []
  end

  def <<(text)
    note(text, true)
    super
  end

  def concat(text)
    note(text, false)
    super
  end

  def note(text, literal)
    pieces << { line: caller_locations(2, 1)[0].lineno, literal: literal, text: text, env: READ.dup }
    READ.clear
  end
end

module GalleyEnv
  def [](name)
    GalleyText::READ << name.to_s
    super
  end

  def fetch(name, *)
    GalleyText::READ << name.to_s
    super
  end
end
ENV.singleton_class.prepend(GalleyEnv)

input, output = $stdin.dup, $stdout.dup
$stdin.reopen(File::NULL)
$stdout.reopen($stderr)
while (galley = input.gets)
  galley = JSON.parse(galley)
  begin
    text = GalleyText.new
    inside = TOPLEVEL_BINDING.dup
    inside.local_variable_set(:_erbout, text)
    made = inside.eval(galley['code'], galley['file'])
    answer = { text: made.to_s, pieces: text.pieces }
  rescue Exception => e
    spot = (e.backtrace_locations || []).find { |l| l.path == galley['file'] }
    line = spot ? spot.lineno : e.message[/\A#{Regexp.escape(galley['file'])}:(\d+)/, 1].to_i
    answer = { class: e.class.to_s, message: e.respond_to?(:original_message) ? e.original_message : e.message, line: line }
  end
  output.puts(JSON.generate(answer))
  output.flush
end
