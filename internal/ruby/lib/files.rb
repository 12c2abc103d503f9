# Files, Pathname and URI.

class File
  # What File.open gives: the text of a file that is read.
  class Opened
    def initialize(text)
      @text = text
    end

    def read
      @text
    end

    def readlines(chomp: false)
      @text.lines(chomp: chomp)
    end

    def each_line(&block)
      @text.each_line(&block)
    end

    def close
    end
  end

  def self.open(path, mode = 'r')
    __refuse("File.open with the mode #{mode}") unless mode == 'r'
    file = Opened.new(read(path))
    block_given? ? yield(file) : file
  end

  def self.join(*parts)
    parts.flatten.map { |part| __str(part) }.inject do |path, part|
      next path.sub(%r{/+\z}, '') + part if part.start_with?('/')
      path.end_with?('/') ? path + part : "#{path}/#{part}"
    end || ''
  end

  def self.dirname(path)
    dir = __path(path)[%r{\A(.*?)/+[^/]*\z}m, 1]
    return '.' unless dir
    dir.empty? ? '/' : dir
  end

  def self.basename(path, suffix = '')
    base = __path(path)
    base = base[%r{[^/]*\z}] unless base == '/'
    suffix = extname(base) if suffix == '.*'
    base == suffix ? base : base.delete_suffix(suffix)
  end

  def self.extname(path)
    basename(path)[/[^.](\.[^.]*)\z/, 1] || ''
  end

  # __path cuts slashes off the end.
  def self.__path(path)
    __str(path).sub(%r{(?<=.)/+\z}m, '')
  end

  def self.split(path)
    [dirname(path), basename(path)]
  end
end

class IO
  def self.readlines(path, chomp: false)
    read(path).lines(chomp: chomp)
  end

  def self.foreach(path, chomp: false, &block)
    return to_enum(:foreach, path, chomp: chomp) unless block
    readlines(path, chomp: chomp).each(&block)
    nil
  end
end

class Dir
  def self.entries(path)
    ['.', '..'] + children(path)
  end

  def self.glob(patterns, base: nil, &block)
    found = [patterns].flatten.flat_map { |pattern| __alternatives(__str(pattern)) }.flat_map do |pattern|
      segments = pattern.split('/').reject(&:empty?)
      __found(base, pattern.start_with?('/') ? '/' : '', segments, pattern.end_with?('/'))
    end
    return found unless block
    found.each(&block)
    nil
  end

  def self.[](*patterns, base: nil)
    glob(patterns, base: base)
  end

  # __alternatives spells out {a,b}, from the innermost on.
  def self.__alternatives(pattern)
    group = pattern.match(/\{([^{}]*)\}/)
    return [pattern] unless group
    found = group[1].split(',', -1).flat_map { |text| __alternatives(pattern.sub(group[0]) { text }) }
    __refuse('a pattern with many alternatives') if found.size > 1000
    found
  end

  # __found lists what matches the segments below a prefix.
  def self.__found(base, prefix, segments, directories)
    full = base && !prefix.start_with?('/') ? File.join(base, prefix) : prefix
    if segments.empty?
      return [prefix] unless directories
      return File.directory?(full) ? ["#{prefix}/"] : []
    end
    first, *rest = segments
    below = prefix.empty? || prefix.end_with?('/') ? prefix : "#{prefix}/"
    if !first.match?(/[*?\[\\]/)
      path = base && !below.start_with?('/') ? File.join(base, below + first) : below + first
      return File.exist?(path) || File.symlink?(path) ? __found(base, below + first, rest, directories) : []
    end
    full = '.' if full.empty?
    names = File.directory?(full) && File.readable?(full) ? children(full) : []
    names = names.reject { |name| name.start_with?('.') } unless first.start_with?('.')
    return names.select { |name| __match(first, name) }.flat_map { |name| __found(base, below + name, rest, directories) } unless first == '**' && !rest.empty?
    deeper = names.select { |name| File.directory?("#{full}/#{name}") && !File.symlink?("#{full}/#{name}") }
    __found(base, prefix, rest, directories) + deeper.flat_map { |name| __found(base, below + name, segments, directories) }
  end
end

class Pathname
  def self.pwd
    new(Dir.pwd)
  end

  def initialize(path)
    @path = path.is_a?(Pathname) ? path.to_s : path.to_str.dup
  end

  def to_s
    @path.dup
  end

  def to_path
    @path.dup
  end

  def to_str
    @path.dup
  end

  def inspect
    "#<Pathname:#{@path}>"
  end

  def ==(other)
    other.is_a?(Pathname) && other.to_s == @path
  end

  def <=>(other)
    @path <=> other.to_s if other.is_a?(Pathname)
  end

  def +(other)
    other = other.to_s
    return Pathname.new(other) if other.start_with?('/')
    parts = cleaned(@path)
    cleaned(other).each do |part|
      if part == '..' && !parts.empty? && parts[-1] != '..'
        parts.pop
      else
        parts << part
      end
    end
    path = parts.join('/')
    Pathname.new(@path.start_with?('/') ? "/#{path}" : (path.empty? ? '.' : path))
  end

  def /(other)
    self + other
  end

  def join(*others)
    others.inject(self) { |path, other| path + other }
  end

  def parent
    self + '..'
  end

  def basename(*suffix)
    Pathname.new(File.basename(@path, *suffix))
  end

  def dirname
    Pathname.new(File.dirname(@path))
  end

  def extname
    File.extname(@path)
  end

  def expand_path(*dir)
    Pathname.new(File.expand_path(@path, *dir))
  end

  def cleanpath
    self + '.'
  end

  def absolute?
    @path.start_with?('/')
  end

  def relative?
    !absolute?
  end

  def root?
    @path.match?(%r{\A/+\z})
  end

  def exist?
    File.exist?(@path)
  end

  def file?
    File.file?(@path)
  end

  def directory?
    File.directory?(@path)
  end

  def readable?
    File.readable?(@path)
  end

  def read
    File.read(@path)
  end

  def readlines(**options)
    File.readlines(@path, **options)
  end

  def children
    Dir.children(@path).map { |name| self + name }
  end

  def glob(pattern)
    Dir.glob(pattern, base: @path).map { |name| self + name }
  end

  def sub(*args, &block)
    Pathname.new(@path.sub(*args, &block))
  end

  private

  def cleaned(path)
    path.split('/').reject { |part| part.empty? || part == '.' }
  end
end

module URI
  class Error < StandardError
  end

  class InvalidURIError < Error
  end

  class Generic
    attr_reader :scheme, :userinfo, :host, :path, :query, :fragment
    attr_writer :scheme, :host, :port, :path, :query, :fragment

    def initialize(parts)
      @scheme, @userinfo, @host, port, @path, @query, @fragment = parts
      @scheme = @scheme.downcase if @scheme
      @port = port && !port.empty? ? port.to_i : nil
    end

    def default_port
      { 'http' => 80, 'https' => 443, 'ftp' => 21, 'ldap' => 389 }[scheme]
    end

    def port
      @port || default_port
    end

    def hostname
      host && host.delete_prefix('[').delete_suffix(']')
    end

    def user
      userinfo && userinfo.split(':', 2)[0]
    end

    def password
      userinfo && userinfo.split(':', 2)[1]
    end

    def request_uri
      "#{path.empty? ? '/' : path}#{"?#{query}" if query}"
    end

    def absolute?
      !scheme.nil?
    end

    def to_s
      out = +''
      out << "#{scheme}:" if scheme
      out << '//' if host
      out << "#{userinfo}@" if userinfo
      out << host if host
      out << ":#{@port}" if @port && @port != default_port
      out << path
      out << "?#{query}" if query
      out << "##{fragment}" if fragment
      out
    end

    def inspect
      "#<#{self.class} #{self}>"
    end

    def ==(other)
      other.is_a?(Generic) && to_s == other.to_s
    end
  end

  class HTTP < Generic
  end

  class HTTPS < HTTP
  end

  def self.parse(text)
    m = text.to_str.match(%r{\A(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://(?:([^/?#@\s]*)@)?(\[[0-9A-Fa-f:.]+\]|[^/?#:\[\]\s]*)(?::(\d*))?)?([^?#\s<>"{}|\\^`]*)(?:\?([^#\s]*))?(?:#(\S*))?\z})
    raise InvalidURIError, "bad URI(is not URI?): #{text.inspect}" unless m && !text.match?(/[^\x00-\x7f]/)
    parts = m.captures
    { 'http' => HTTP, 'https' => HTTPS }.fetch(parts[0].to_s.downcase, Generic).new(parts)
  end

  def self.join(base, path)
    uri = parse(base)
    return parse(path) if path.match?(/\A[a-z][a-z0-9+.-]*:/i)
    uri.path = File.expand_path(path, uri.path.end_with?('/') ? uri.path : File.dirname("#{uri.path}x"))
    uri.path += '/' if path.end_with?('/')
    uri
  end

  def self.encode_www_form_component(text)
    text.to_s.gsub(/[^*\-.0-9A-Z_a-z]/) { |c| c == ' ' ? '+' : c.bytes.map { |b| format('%%%02X', b) }.join }
  end
end

module Kernel
  private

  def URI(text)
    URI.parse(text)
  end

  def Pathname(path)
    Pathname.new(path)
  end
end
