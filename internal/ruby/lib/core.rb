# The methods of Ruby's core classes that are not written in Go.

module Enumerable
  def each_with_index
    return to_enum(:each_with_index) unless block_given?
    i = -1
    each_entry { |x| yield(x, i += 1) }
    self
  end

  def inject(*args, &block)
    named = args.size == 2 || args.size == 1 && !block
    op = args.pop if named
    raise TypeError, "#{op.inspect} is not a symbol nor a string" unless !named || op.is_a?(Symbol) || op.is_a?(String)
    acc = args[0]
    started = !args.empty?
    each_entry do |x|
      acc = started ? (op ? acc.public_send(op, x) : yield(acc, x)) : x
      started = true
    end
    acc
  end

  def reduce(*args, &block)
    inject(*args, &block)
  end

  # Floats are added with compensation (Kahan-Babuska), as Ruby does.
  def sum(start = 0)
    lost = 0.0
    each_entry do |x|
      x = yield(x) if block_given?
      total = start + x
      lost += start.abs >= x.abs ? (start - total) + x : (x - total) + start if total.is_a?(Float) && total - total == 0
      start = total
    end
    start.is_a?(Float) ? start + lost : start
  end

  def first(*n)
    if n.empty?
      each_entry { |x| return x }
      return nil
    end
    n = __int(n[0])
    raise ArgumentError, is_a?(Array) ? 'negative array size' : 'attempt to take negative size' if n < 0
    out = []
    return out if n == 0
    each_entry do |x|
      out << x
      break if out.size == n
    end
    out
  end

  def sort_by
    return to_enum(:sort_by) unless block_given?
    map { |x| [yield(x), x] }.sort { |a, b| __compare(a[0], b[0]) }.map { |pair| pair[1] }
  end

  def min(&block)
    to_a.inject { |best, x| (block ? yield(best, x) : __compare(best, x)) > 0 ? x : best }
  end

  def max(&block)
    to_a.inject { |best, x| (block ? yield(best, x) : __compare(best, x)) < 0 ? x : best }
  end

  def uniq
    seen = {}
    to_a.select do |x|
      k = block_given? ? yield(x) : x
      seen.key?(k) ? false : seen[k] = true
    end
  end

  def to_h
    out = {}
    each_entry do |x|
      x = yield(x) if block_given?
      raise TypeError, "wrong element type #{x.class} (expected array)" unless x.is_a?(Array)
      raise ArgumentError, "element has wrong array length (expected 2, was #{x.size})" unless x.size == 2
      out[x[0]] = x[1]
    end
    out
  end

  def find
    return to_enum(:find) unless block_given?
    each_entry { |x| return x if yield(x) }
    nil
  end

  def detect(&block)
    return to_enum(:detect) unless block
    find(&block)
  end

  def include?(value)
    each_entry { |x| return true if x == value }
    false
  end

  def member?(value)
    include?(value)
  end

  def count(*value)
    n = 0
    each_entry { |x| n += 1 if value.empty? ? !block_given? || yield(x) : x == value[0] }
    n
  end

  def all?(*pattern)
    each_entry { |x| return false unless pattern.empty? ? (block_given? ? yield(x) : x) : pattern[0] === x }
    true
  end

  def any?(*pattern)
    each_entry { |x| return true if pattern.empty? ? (block_given? ? yield(x) : x) : pattern[0] === x }
    false
  end

  def none?(*pattern, &block)
    !any?(*pattern, &block)
  end

  def one?(*pattern)
    to_a.count { |x| pattern.empty? ? (block_given? ? yield(x) : x) : pattern[0] === x } == 1
  end

  def partition
    return to_enum(:partition) unless block_given?
    yes, no = [], []
    each_entry { |x| (yield(x) ? yes : no) << x }
    [yes, no]
  end

  def group_by
    return to_enum(:group_by) unless block_given?
    groups = {}
    each_entry { |x| (groups[yield(x)] ||= []) << x }
    groups
  end

  def tally
    counts = {}
    each_entry { |x| counts[x] = (counts[x] || 0) + 1 }
    counts
  end

  def flat_map
    return to_enum(:flat_map) unless block_given?
    out = []
    each_entry do |x|
      v = yield(x)
      v.is_a?(Array) ? out.concat(v) : out.push(v)
    end
    out
  end

  def filter_map
    return to_enum(:filter_map) unless block_given?
    out = []
    each_entry do |x|
      v = yield(x)
      out << v if v
    end
    out
  end

  def each_with_object(memo)
    return to_enum(:each_with_object, memo) unless block_given?
    each_entry { |x| yield(x, memo) }
    memo
  end

  def reverse_each(&block)
    return to_enum(:reverse_each) unless block
    to_a.reverse.each(&block)
    self
  end

  def each_slice(n)
    size = __int(n)
    raise ArgumentError, 'invalid slice size' if size <= 0
    return to_enum(:each_slice, n) unless block_given?
    slice = []
    each_entry do |x|
      slice << x
      if slice.size == size
        yield(slice)
        slice = []
      end
    end
    yield(slice) unless slice.empty?
    self
  end

  def each_cons(n)
    size = __int(n)
    raise ArgumentError, 'invalid size' if size <= 0
    return to_enum(:each_cons, n) unless block_given?
    all = to_a
    (0..all.size - size).each { |i| yield(all[i, size]) }
    self
  end

  def take(n)
    first(n)
  end

  def drop(n)
    n = __int(n)
    raise ArgumentError, 'attempt to drop negative size' if n < 0
    to_a[n..-1] || []
  end

  def take_while
    return to_enum(:take_while) unless block_given?
    out = []
    each_entry do |x|
      break unless yield(x)
      out << x
    end
    out
  end

  def drop_while
    return to_enum(:drop_while) unless block_given?
    out = []
    dropping = true
    each_entry do |x|
      dropping = false if dropping && !yield(x)
      out << x unless dropping
    end
    out
  end

  def min_by
    return to_enum(:min_by) unless block_given?
    (map { |x| [yield(x), x] }.min { |a, b| a[0] <=> b[0] } || [])[1]
  end

  def max_by
    return to_enum(:max_by) unless block_given?
    (map { |x| [yield(x), x] }.max { |a, b| a[0] <=> b[0] } || [])[1]
  end

  def minmax(&block)
    [min(&block), max(&block)]
  end

  def find_index(*value)
    return to_enum(:find_index) if value.empty? && !block_given?
    i = 0
    each_entry do |x|
      return i if value.empty? ? yield(x) : x == value[0]
      i += 1
    end
    nil
  end

  def zip(*others)
    others = others.map(&:to_a)
    rows = []
    each_with_index { |x, n| rows << [x, *others.map { |o| o[n] }] }
    return rows unless block_given?
    rows.each { |row| yield(row) }
    nil
  end

  def grep(pattern)
    found = to_a.select { |x| pattern === x }
    block_given? ? found.map { |x| yield(x) } : found
  end

  def grep_v(pattern)
    found = to_a.reject { |x| pattern === x }
    block_given? ? found.map { |x| yield(x) } : found
  end
end

class Enumerator
  def with_index(offset = 0)
    return to_enum(:with_index, offset) unless block_given?
    i = (offset || 0) - 1
    each { |*x| yield(x.size > 1 ? x : x[0], i += 1) }
  end

  def each_with_index(&block)
    with_index(0, &block)
  end

  def with_object(memo)
    return to_enum(:with_object, memo) unless block_given?
    each { |*x| yield(x.size > 1 ? x : x[0], memo) }
    memo
  end
end

class Array
  def self.new(size = 0, value = nil)
    return [] + size if size.is_a?(Array)
    n = __int(size)
    raise ArgumentError, 'negative array size' if n < 0
    (0...n).map { |i| block_given? ? yield(i) : value }
  end

  def -(other)
    gone = ([] + other).to_h { |x| [x, true] }
    reject { |x| gone.key?(x) }
  end

  def &(other)
    kept = ([] + other).to_h { |x| [x, true] }
    uniq.select { |x| kept.key?(x) }
  end

  def |(other)
    (self + other).uniq
  end

  def fetch(index, *default)
    i = __int(index)
    return self[i] if i < size && i >= -size
    return yield(index) if block_given?
    raise IndexError, "index #{i} outside of array bounds: #{-size}...#{size}" if default.empty?
    default[0]
  end

  def last(*n)
    return self[-1] if n.empty?
    n = __int(n[0])
    raise ArgumentError, 'negative array size' if n < 0
    n >= size ? self + [] : self[size - n, n]
  end

  def dig(key, *rest)
    __dig(self[key], rest)
  end

  def join(sep = nil)
    sep = sep.nil? ? '' : __str(sep)
    out = +''
    flatten.each_with_index do |x, i|
      out << sep if i > 0
      out << x.to_s
    end
    out
  end

  def append(*values)
    push(*values)
  end

  def unshift(*values)
    self[0, 0] = values
    self
  end

  def prepend(*values)
    unshift(*values)
  end

  def concat(*lists)
    self[size, 0] = lists.inject([]) { |all, list| all + list }
    self
  end

  def *(other)
    return join(other) if other.is_a?(String)
    n = __int(other)
    raise ArgumentError, 'argument must be non-negative' if n < 0
    out = []
    n.times { out.concat(self) }
    out
  end

  def index(*value, &block)
    find_index(*value, &block)
  end

  def delete(value)
    found = select { |x| x == value }
    return (yield(value) if block_given?) if found.empty?
    reject! { |x| x == value }
    found[-1]
  end

  def compact
    reject { |x| x.nil? }
  end

  def reverse
    out = []
    (1..size).each { |i| out << self[-i] }
    out
  end

  def clear
    self[0, size] = []
    self
  end

  def values_at(*indexes)
    indexes.map { |i| self[i] }
  end

  def insert(index, *values)
    index = __int(index)
    index += size + 1 if index < 0
    self[index, 0] = values
    self
  end

  def delete_at(index)
    index = __int(index)
    index += size if index < 0
    return nil if index < 0 || index >= size
    found = self[index]
    self[index, 1] = []
    found
  end

  def rotate(n = 1)
    return [] if empty?
    n = __int(n) % size
    self[n..-1] + self[0, n]
  end

  def transpose
    return [] if empty?
    rows = map { |row| [] + row }
    width = rows[0].size
    rows.each do |row|
      raise IndexError, "element size differs (#{row.size} should be #{width})" if row.size != width
    end
    Array.new(width) { |i| rows.map { |row| row[i] } }
  end

  def product(*others)
    __refuse('Array#product with a block') if block_given?
    __refuse('a product of many rows') if others.inject(size) { |n, list| n * list.size } > 50_000
    rows = map { |x| [x] }
    others.each { |list| rows = rows.flat_map { |row| list.map { |x| row + [x] } } }
    rows
  end

  def shelljoin
    map { |x| Shellwords.escape(x) }.join(' ')
  end
end

class Hash
  def self.[](*list)
    return list.each_slice(2).to_h unless list.size == 1
    list[0].is_a?(Hash) ? list[0].dup : ([] + list[0]).to_h
  end

  def to_h
    block_given? ? map { |k, v| yield(k, v) }.to_h : self
  end

  def fetch(key, *default)
    return self[key] if key?(key)
    return yield(key) if block_given?
    raise KeyError, "key not found: #{key.inspect}" if default.empty?
    default[0]
  end

  def select
    return to_enum(:select) unless block_given?
    out = {}
    each { |k, v| out[k] = v if yield(k, v) }
    out
  end

  def filter(&block)
    return to_enum(:filter) unless block
    select(&block)
  end

  def reject
    return to_enum(:reject) unless block_given?
    out = {}
    each { |k, v| out[k] = v unless yield(k, v) }
    out
  end

  def dig(key, *rest)
    __dig(self[key], rest)
  end

  def clear
    replace({})
  end

  def merge(*others, &block)
    dup.update(*others, &block)
  end

  def merge!(*others, &block)
    update(*others, &block)
  end

  def update(*others)
    others.each do |other|
      __hash(other).each { |k, v| self[k] = block_given? && key?(k) ? yield(k, fetch(k), v) : v }
    end
    self
  end

  def values_at(*keys)
    keys.map { |k| self[k] }
  end

  def fetch_values(*keys, &block)
    keys.map { |k| fetch(k, &block) }
  end

  def each_key
    return to_enum(:each_key) unless block_given?
    each { |k, _| yield(k) }
  end

  def each_value
    return to_enum(:each_value) unless block_given?
    each { |_, v| yield(v) }
  end

  def key(value)
    each { |k, v| return k if v == value }
    nil
  end

  def value?(value)
    values.include?(value)
  end

  def has_value?(value)
    values.include?(value)
  end

  def invert
    out = {}
    each { |k, v| out[v] = k }
    out
  end

  def slice(*keys)
    out = {}
    keys.each { |k| out[k] = fetch(k) if key?(k) }
    out
  end

  def except(*keys)
    out = reject { false }
    keys.each { |k| out.delete(k) }
    out
  end

  def compact
    reject { |_, v| v.nil? }
  end

  def transform_values
    return to_enum(:transform_values) unless block_given?
    out = {}
    each { |k, v| out[k] = yield(v) }
    out
  end

  def transform_keys(names = {})
    __hash(names)
    return to_enum(:transform_keys) if names.empty? && !block_given?
    out = {}
    each { |k, v| out[names.fetch(k) { block_given? ? yield(k) : k }] = v }
    out
  end

  def transform_keys!(names = {}, &block)
    return to_enum(:transform_keys!) if names.empty? && !block
    replace(transform_keys(names, &block))
  end

  def shift
    k, = keys
    k.nil? && empty? ? nil : [k, delete(k)]
  end

  def sort(&block)
    to_a.sort(&block)
  end
end

class ENV
  def key?(name)
    !self[name].nil?
  end

  def has_key?(name)
    key?(name)
  end

  def include?(name)
    key?(name)
  end

  def member?(name)
    key?(name)
  end

  def fetch(name, *default)
    return self[name] if key?(name)
    return yield(name) if block_given?
    raise KeyError, "key not found: #{name.inspect}" if default.empty?
    default[0]
  end

  def to_h(&block)
    found = keys.map { |name| [name, self[name]] }.to_h
    block ? found.to_h(&block) : found
  end

  def to_hash
    to_h
  end

  def each(&block)
    return to_enum(:each) unless block
    to_h.each(&block)
    self
  end

  def each_pair(&block)
    return to_enum(:each_pair) unless block
    each(&block)
  end

  def values
    to_h.values
  end

  def size
    keys.size
  end

  def length
    keys.size
  end

  def empty?
    keys.empty?
  end

  def select(&block)
    to_h.select(&block)
  end

  def filter(&block)
    to_h.select(&block)
  end

  def reject(&block)
    to_h.reject(&block)
  end

  def slice(*names)
    to_h.slice(*names)
  end

  def values_at(*names)
    names.map { |name| self[name] }
  end

  def inspect
    to_h.inspect
  end
end

class Range
  def to_s
    "#{self.begin}#{exclude_end? ? '...' : '..'}#{self.end}"
  end

  def inspect
    "#{self.begin && self.begin.inspect}#{exclude_end? ? '...' : '..'}#{self.end && self.end.inspect}"
  end

  def cover?(value)
    __refuse('Range#cover? of a range') if value.is_a?(Range)
    low = self.begin.nil? ? 0 : self.begin <=> value
    high = self.end.nil? ? -1 : value <=> self.end
    !low.nil? && low <= 0 && !high.nil? && (exclude_end? ? high < 0 : high <= 0)
  end

  def ===(value)
    !value.is_a?(Range) && cover?(value)
  end

  def include?(value)
    self.begin.is_a?(String) ? to_a.include?(value) : cover?(value)
  end

  def member?(value)
    include?(value)
  end

  def size
    __refuse('the size of this range') unless self.begin.is_a?(Integer) && self.end.is_a?(Integer)
    [self.end - self.begin + (exclude_end? ? 0 : 1), 0].max
  end

  def step(by)
    return to_enum(:step, by) unless block_given?
    __refuse('Range#step with other numbers than integers') unless by.is_a?(Integer) && self.begin.is_a?(Integer)
    raise ArgumentError, "step can't be 0 or negative" if by <= 0
    each { |i| yield(i) if (i - self.begin) % by == 0 }
  end

  def last(*n)
    n.empty? ? self.end : to_a.last(*n)
  end

  def min(&block)
    return to_a.min(&block) if block
    return nil if self.end && self.begin && (self.begin <=> self.end) > 0
    self.begin
  end

  def max(&block)
    raise TypeError, 'cannot exclude non Integer end value' if exclude_end? && !self.end.is_a?(Integer)
    return to_a.max(&block) if block || exclude_end? || !self.end.is_a?(Integer)
    self.begin && (self.begin <=> self.end) > 0 ? nil : self.end
  end
end

class Numeric
  def abs
    self <= 0 ? 0 - self : self
  end

  def zero?
    self == 0
  end

  def positive?
    self > 0
  end

  def negative?
    self < 0
  end

  def divmod(other)
    q = self / other
    [q.is_a?(Float) ? q.floor : q, self % other]
  end

  def between?(low, high)
    self >= low && self <= high
  end

  def clamp(low, high)
    raise ArgumentError, 'min argument must be less than or equal to max argument' if low > high
    self < low ? low : (self > high ? high : self)
  end
end

class Integer
  def succ
    self + 1
  end

  def next
    self + 1
  end

  def pred
    self - 1
  end

  def even?
    self % 2 == 0
  end

  def odd?
    self % 2 == 1
  end

  def times
    return to_enum(:times) unless block_given?
    (0...self).each { |i| yield(i) }
    self
  end

  def **(other)
    __refuse('a power that is not a whole number, or negative') unless other.is_a?(Integer) && other >= 0
    out = 1
    other.times { out *= self }
    out
  end

  def upto(limit)
    return to_enum(:upto, limit) unless block_given?
    (self..limit).each { |i| yield(i) }
    self
  end

  def downto(limit)
    return to_enum(:downto, limit) unless block_given?
    (0..self - limit).each { |i| yield(self - i) }
    self
  end
end

class Float
  def **(_)
    __refuse('a power of Float')
  end
end

class Time
  def year
    __part('Y').to_i
  end

  def month
    __part('m').to_i
  end

  def mon
    month
  end

  def day
    __part('d').to_i
  end

  def mday
    day
  end

  def hour
    __part('H').to_i
  end

  def min
    __part('M').to_i
  end

  def sec
    __part('S').to_i
  end

  def to_s
    strftime(__part('Z') == 'UTC' ? '%F %T UTC' : '%F %T %z')
  end

  # Of flags and widths, "-" drops the zero before a number.
  def strftime(format)
    __str(format).gsub(/%(-?)(.?)/m) do |directive|
      text = { '%' => '%', '' => '%', 's' => to_i.to_s }[$2] || __part($2)
      next text if text && $1.empty?
      __refuse("the directive #{directive.inspect} of strftime") unless text && $2.match?(/[ymdjHIMS]/)
      text.to_i.to_s
    end
  end
end

class String
  def %(values)
    values.is_a?(Array) ? format(self, *values) : format(self, values)
  end

  def to_i
    found = self[/\A\s*[+-]?\d+(?:_\d+)*/]
    found ? Integer(found.gsub(/[\s_]/, '').sub(/\A([+-]?)0+(?=\d)/, '\1')) : 0
  end

  def start_with?(*prefixes)
    prefixes.any? do |prefix|
      __refuse('String#start_with? with a regexp (match? compares)') if prefix.is_a?(Regexp)
      self[0, __str(prefix).size] == prefix
    end
  end

  def end_with?(*suffixes)
    suffixes.any? do |suffix|
      n = __str(suffix).size
      n <= size && self[size - n, n] == suffix
    end
  end

  def delete_prefix(prefix)
    start_with?(prefix) ? self[prefix.size..-1] : dup
  end

  def delete_suffix(suffix)
    end_with?(suffix) ? self[0, size - suffix.size] : dup
  end

  def capitalize
    self[0].to_s.upcase + self[1..-1].to_s.downcase
  end

  def chomp(*suffix)
    return sub(/(\r?\n|\r)\z/, '') if suffix.empty?
    __refuse('String#chomp of all line ends') if ['', "\n"].include?(suffix[0])
    delete_suffix(suffix[0])
  end

  def index(pattern)
    self =~ (pattern.is_a?(Regexp) ? pattern : Regexp.new(Regexp.escape(pattern)))
  end

  def rindex(text)
    __refuse('String#rindex with a regexp') if text.is_a?(Regexp)
    i = reverse.index(__str(text).reverse)
    i && size - i - text.size
  end

  def +@
    frozen? ? dup : self
  end

  def lines(chomp: false)
    found = scan(/[^\n]*\n|[^\n]+/)
    chomp ? found.map(&:chomp) : found
  end

  def each_line(chomp: false, &block)
    return chomp ? to_enum(:each_line, chomp: true) : to_enum(:each_line) unless block
    lines(chomp: chomp).each(&block)
    self
  end

  def chars
    scan(/./m)
  end

  def each_char(&block)
    return to_enum(:each_char) unless block
    chars.each(&block)
    self
  end

  def bytesize
    bytes.size
  end

  def chop
    sub(/(\r\n|.)\z/m, '')
  end

  def reverse
    chars.reverse.join
  end

  def tr(from, to)
    from, to = __str(from), __str(to)
    negated = from.size > 1 && from.start_with?('^')
    from, to = __characters(negated ? from[1..-1] : from), __characters(to)
    gsub(/./m) do |c|
      i = from.index(c)
      next c if i.nil? != negated
      i = -1 if negated
      (to[i] || to[-1]).to_s
    end
  end

  def force_encoding(name)
    __refuse("the encoding #{name}") unless name.to_s.upcase == 'UTF-8'
    self
  end

  def to_f
    Float(self[/\A\s*[+-]?\d+(?:_\d+)*(?:\.\d+(?:_\d+)*)?(?:[eE][+-]?\d+)?/] || 0)
  end

  def partition(sep)
    i = self =~ (sep.is_a?(Regexp) ? sep : Regexp.new(Regexp.escape(sep)))
    return [dup, '', ''] unless i
    found = $~[0]
    [self[0, i], found, self[i + found.size..-1]]
  end

  def rpartition(sep)
    i = rindex(sep)
    return ['', '', dup] unless i
    [self[0, i], sep, self[i + sep.size..-1]]
  end

  def prepend(*others)
    replace(others.map { |o| __str(o) }.join + self)
  end

  def insert(index, other)
    index = __int(index)
    at = index < 0 ? index + size + 1 : index
    raise IndexError, "index #{index} out of string" if at < 0 || at > size
    replace(self[0, at] + other + self[at..-1])
  end

  def casecmp?(other)
    other.is_a?(String) ? downcase == other.downcase : nil
  end

  def delete(*sets)
    __refuse('String#delete with other than one argument') unless sets.size == 1
    tr(sets[0], '')
  end

  def count(*sets)
    size - delete(*sets).size
  end

  def squeeze(*sets)
    __refuse('String#squeeze with arguments') unless sets.empty?
    gsub(/(.)\1+/m, '\1')
  end

  def ljust(width, fill = ' ')
    self + __fill(__int(width) - size, fill)
  end

  def rjust(width, fill = ' ')
    __fill(__int(width) - size, fill) + self
  end

  def center(width, fill = ' ')
    n = [__int(width) - size, 0].max
    __fill(n / 2, fill) + self + __fill(n - n / 2, fill)
  end

  def between?(low, high)
    self >= low && self <= high
  end

  def shellescape
    Shellwords.escape(self)
  end

  def shellsplit
    Shellwords.split(self)
  end

  private

  # __characters spells out a-z.
  def __characters(set)
    set.scan(/\\(.)|(.)-(.)|(.)/m).flat_map do |escaped, low, high, one|
      next [escaped || one] unless low
      raise ArgumentError, "invalid range \"#{low}-#{high}\" in string transliteration" if low > high
      (low..high).to_a
    end
  end

  def __fill(n, fill)
    fill = __str(fill)
    raise ArgumentError, 'zero width padding' if fill.empty?
    n > 0 ? (fill * (n / fill.size + 1))[0, n] : ''
  end
end

class Exception
  def message
    to_s
  end

  def inspect
    to_s.empty? ? self.class.name : "#<#{self.class}: #{self}>"
  end

  def ==(other)
    other.class == self.class && other.message == message
  end
end

module Kernel
  def then
    yield(self)
  end

  def yield_self
    yield(self)
  end

  def tap
    yield(self)
    self
  end

  def to_json(*)
    JSON.generate(self)
  end

  private

  def loop
    (0..).each { yield }
  rescue StopIteration
    nil
  end

  def p(*values)
    values.each { |x| puts(x.inspect) }
    values.size > 1 ? values : values[0]
  end

  def pp(*values)
    p(*values)
  end

  def exit(*)
    raise SystemExit, 'exit'
  end

  def abort(text = 'exit')
    raise SystemExit, text
  end

  def Array(value)
    value.is_a?(Array) ? value : [*value]
  end

  def __dig(value, rest)
    return value if rest.empty? || value.nil?
    raise TypeError, "#{value.class} does not have #dig method" unless value.respond_to?(:dig)
    value.dig(*rest)
  end
end

module JSON
  def self.generate(value)
    case value
    when nil then 'null'
    when true, false, Integer, Float then value.to_s
    when Array then "[#{value.map { |v| generate(v) }.join(',')}]"
    when Hash then "{#{value.map { |k, v| "#{__quote(k.to_s)}:#{generate(v)}" }.join(',')}}"
    else __quote(value.to_s)
    end
  end

  def self.dump(value)
    generate(value)
  end
end

module SecureRandom
  def self.uuid
    h = hex(16)
    variant = %w(8 9 a b)[Integer("0x#{h[16]}") % 4]
    "#{h[0, 8]}-#{h[8, 4]}-4#{h[13, 3]}-#{variant}#{h[17, 3]}-#{h[20, 12]}"
  end
end

module Base64
  def self.encode64(text)
    strict_encode64(text).scan(/.{1,60}/).map { |line| "#{line}\n" }.join
  end

  def self.decode64(text)
    strict_decode64(text.gsub(/\s/, ''))
  end
end

module Shellwords
  def self.escape(text)
    text = text.to_s
    return "''" if text.empty?
    text.gsub(%r{[^A-Za-z0-9_\-.,:+/@\n]}) { |c| "\\#{c}" }.gsub("\n", "'\n'")
  end

  def self.shellescape(text)
    escape(text)
  end

  def self.join(words)
    words.map { |w| escape(w) }.join(' ')
  end

  def self.split(line)
    words = []
    word = nil
    line.scan(/\s*(?>([^\s\\'"]+)|'([^']*)'|"((?:[^"\\]|\\.)*)"|(\\.?)|(\S))(\s|\z)?/m) do |plain, single, double, escaped, bad, sep|
      raise ArgumentError, "Unmatched quote: #{line}" if bad
      word = (word || '') + (plain || single || (double && double.gsub(/\\([$`"\\\n])/, '\\1')) || escaped.sub(/\A\\/, ''))
      if sep
        words << word
        word = nil
      end
    end
    words
  end
end
