# Gem::Version and Gem::Requirement, as far as files compare versions.

module Gem
  VERSION = '3.3.5'

  class Version
    attr_reader :version

    def self.create(input)
      input.is_a?(self) || input.nil? ? input : new(input)
    end

    def self.correct?(version)
      version.to_s.match?(/\A\s*([0-9]+(?>\.[0-9a-zA-Z]+)*(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?)?\s*\z/)
    end

    def initialize(version)
      raise ArgumentError, "Malformed version number string #{version}" unless Version.correct?(version)
      @version = version.to_s.strip.sub(/\A\z/, '0').gsub('-', '.pre.')
    end

    def segments
      @version.scan(/[0-9]+|[a-z]+/i).map { |s| s.match?(/\A\d/) ? s.to_i : s }
    end

    def prerelease?
      @version.match?(/[a-zA-Z]/)
    end

    def release
      prerelease? ? Version.new(segments.take_while { |s| s.is_a?(Integer) }.join('.')) : self
    end

    def bump
      parts = segments.take_while { |s| s.is_a?(Integer) }
      parts.pop if parts.size > 1
      parts[-1] += 1
      Version.new(parts.join('.'))
    end

    def <=>(other)
      other = Version.new(other) if other.is_a?(String)
      return nil unless other.is_a?(Version)
      a, b = segments, other.segments
      [a.size, b.size].max.times do |i|
        x, y = a[i] || 0, b[i] || 0
        next if x == y
        return -1 if x.is_a?(String) && y.is_a?(Integer)
        return 1 if x.is_a?(Integer) && y.is_a?(String)
        return x <=> y
      end
      0
    end

    def ==(other)
      (self <=> other) == 0
    end

    def <(other)
      compare(other) < 0
    end

    def <=(other)
      compare(other) <= 0
    end

    def >(other)
      compare(other) > 0
    end

    def >=(other)
      compare(other) >= 0
    end

    def between?(low, high)
      self >= low && self <= high
    end

    def to_s
      @version
    end

    def inspect
      "Gem::Version.new(#{@version.inspect})"
    end

    private

    def compare(other)
      (self <=> other) || raise(ArgumentError, "comparison of Gem::Version with #{other.inspect} failed")
    end
  end

  class Requirement
    class BadRequirementError < ArgumentError
    end

    attr_reader :requirements

    def self.create(*inputs)
      first = inputs.flatten[0]
      first.is_a?(Requirement) ? first : new(*inputs)
    end

    def initialize(*requirements)
      requirements = requirements.flatten.compact
      requirements = ['>= 0'] if requirements.empty?
      @requirements = requirements.map { |r| parse(r) }
    end

    def satisfied_by?(version)
      @requirements.all? do |op, wanted|
        case op
        when '=' then version == wanted
        when '!=' then !(version == wanted)
        when '>' then version > wanted
        when '<' then version < wanted
        when '>=' then version >= wanted
        when '<=' then version <= wanted
        else version >= wanted && version.release < wanted.bump
        end
      end
    end

    def to_s
      @requirements.map { |op, version| "#{op} #{version}" }.sort.join(', ')
    end

    private

    def parse(text)
      return ['=', text] if text.is_a?(Version)
      m = text.to_s.match(/\A\s*(=|!=|>=|<=|~>|>|<)?\s*([0-9]+(?>\.[0-9a-zA-Z]+)*(?:-[0-9A-Za-z.-]+)?)\s*\z/)
      raise BadRequirementError, "Illformed requirement [#{text.inspect}]" unless m
      [m[1] || '=', Version.new(m[2])]
    end
  end
end
