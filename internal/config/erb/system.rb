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

# What a template appends its pieces to: with <<, its own text; with concat,
# what code makes.
class GalleyText
  READ = []

  attr_reader :pieces

  def initialize
    @pieces = []
  end

  def <<(text)
    note(text, true)
  end

  def concat(text)
    note(text, false)
  end

  def note(text, literal)
    @pieces << { line: caller_locations(2, 1)[0].lineno, literal: literal, text: text, env: READ.dup }
    READ.clear
    self
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
    Object.send(:remove_const, :GALLEY_TEXT) if defined?(GALLEY_TEXT)
    GALLEY_TEXT = GalleyText.new
    out = TOPLEVEL_BINDING.dup.eval(galley['code'], galley['file'])
    raise NotImplementedError, 'the template replaces _erbout, which is not supported' unless out.equal?(GALLEY_TEXT)
    answer = { pieces: GALLEY_TEXT.pieces }
  rescue Exception => e
    spot = (e.backtrace_locations || []).find { |l| l.path == galley['file'] }
    line = spot ? spot.lineno : e.message[/\A#{Regexp.escape(galley['file'])}:(\d+)/, 1].to_i
    answer = { class: e.class.to_s, message: e.respond_to?(:original_message) ? e.original_message : e.message, line: line }
  end
  output.puts(JSON.generate(answer))
  output.flush
end
