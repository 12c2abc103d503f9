# Evaluates one file for Galley in the real Ruby. What the file calls and does
# not define is sent to Galley as one line of JSON, and answered by another.
%w[erb yaml json pathname time uri open-uri set tmpdir fileutils shellwords].each { |lib| require lib }

module GalleyHandoff
  INPUT, OUTPUT = $stdin.dup, $stdout.dup
  $stdin.reopen(File::NULL)
  $stdout.reopen($stderr)
  BLOCKS = {}
  OBJECTS = {}
  Refused = Class.new(Exception)

  def self.encode(value)
    case value
    when nil, true, false, Integer, String then value
    when Float then value.finite? ? value : { 's' => value.to_s }
    when Symbol then { 'y' => value.to_s }
    when Array then value.map { |v| encode(v) }
    when Hash then { 'h' => value.map { |k, v| [encode(k), encode(v)] } }
    else OBJECTS.key?(value.object_id) ? { 'o' => OBJECTS[value.object_id] } : { 's' => value.to_s }
    end
  end

  def self.decode(value)
    return value.map { |v| decode(v) } if value.is_a?(Array)
    return value unless value.is_a?(Hash)
    return value['y'].to_sym if value.key?('y')
    return value['h'].to_h { |k, v| [decode(k), decode(v)] } if value.key?('h')
    object(value['o'], value['n'])
  end

  # object makes what stands for an object of Galley.
  def self.object(id, name)
    proxy = Module.new
    OBJECTS[proxy.object_id] = id
    proxy.extend(Proxy)
    proxy.define_singleton_method(:inspect) { name }
    proxy.define_singleton_method(:to_s) { name }
    proxy
  end

  def self.send_line(message)
    OUTPUT.puts(JSON.generate(message))
    OUTPUT.flush
  end

  # ask sends a call and answers what comes back until its result is there.
  def self.ask(message)
    send_line(message)
    loop do
      answer = JSON.parse(INPUT.gets || exit!(1))
      if answer.key?('yield')
        block, self_object, args = BLOCKS[answer['yield']], decode(answer['self']), decode(answer['args'])
        result = self_object ? self_object.instance_exec(*args, &block) : block.call(*args)
        send_line('result' => encode(result))
      elsif answer.key?('raise')
        raise Object.const_get(answer['raise']), answer['message'], caller.reject { |l| l.start_with?('-e') }
      elsif answer.key?('refuse')
        raise Refused, answer['refuse']
      elsif answer['handled']
        return [true, decode(answer['value'])]
      else
        return [false, nil]
      end
    end
  end

  def self.call(object, name, args, block)
    keywords = args.last.is_a?(Hash) && Hash.ruby2_keywords_hash?(args.last) ? args.last : nil
    args = args[0...-1] if keywords
    place = caller_locations.find { |l| l.path == FILE }
    BLOCKS[block.object_id] = block if block
    ask('call' => name.to_s, 'object' => OBJECTS[object.object_id], 'args' => encode(args),
        'keywords' => keywords && encode(keywords), 'block' => block && block.object_id,
        'bare' => args.empty? && keywords.nil? && block.nil?, 'line' => place ? place.lineno : 0)
  end

  module Proxy
    def self.extended(object)
      %i[name gem test].each do |word|
        object.define_singleton_method(word) { |*args, &block| method_missing(word, *args, &block) }
        object.singleton_class.send(:ruby2_keywords, word)
      end
    end

    def method_missing(name, *args, &block)
      handled, value = GalleyHandoff.call(self, name, args, block)
      handled ? value : super
    end
    ruby2_keywords :method_missing

    def const_missing(name)
      handled, value = GalleyHandoff.call(self, name, [], nil)
      handled ? value : super
    end

    def respond_to_missing?(name, _private = false)
      GalleyHandoff.ask('responds' => name.to_s, 'object' => OBJECTS[object_id])[1]
    end
  end

  def Object.const_missing(name)
    handled, value = GalleyHandoff.ask('const' => name.to_s)
    handled ? value : raise(NameError, "uninitialized constant #{name}")
  end

  FILE = ARGV[0]
  begin
    this = object(0, 'main')
    value = this.instance_eval(JSON.parse(INPUT.gets), FILE, 1)
    send_line('done' => encode(value))
  rescue Exception => e
    spot = (e.backtrace_locations || []).find { |l| l.path == FILE }
    line = spot ? spot.lineno : e.message[/\A#{Regexp.escape(FILE)}:(\d+)/, 1].to_i
    message = e.respond_to?(:original_message) ? e.original_message : e.message
    send_line('error' => e.class.to_s, 'message' => message, 'line' => line)
  end
end
