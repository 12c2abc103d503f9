package ruby

// The names of Ruby 3.1's methods, by class (with a dot: of the class itself), as Ruby itself lists them.
const rubyMethodNames = `Kernel: !~ <=> === =~ class clone define_singleton_method display dup enum_for eql? extend freeze frozen? hash
 inspect instance_of? instance_variable_defined? instance_variable_get instance_variable_set instance_variables
 is_a? itself kind_of? method methods nil? object_id private_methods protected_methods public_method
 public_methods public_send remove_instance_variable respond_to? send singleton_class singleton_method
 singleton_methods taint tainted? tap then to_enum to_s trust untaint untrust untrusted? yield_self Array Complex
 Float Hash Integer Rational String __callee__ __dir__ __method__ ` + "`" + ` abort at_exit autoload autoload? binding
 block_given? caller caller_locations catch eval exec exit exit! fail fork format gets global_variables
 initialize_clone initialize_copy initialize_dup iterator? lambda load local_variables loop open p pp print
 printf proc putc puts raise rand readline readlines require require_relative respond_to_missing? select
 set_trace_func sleep spawn sprintf srand syscall system test throw trace_var trap untrace_var warn
Comparable: < <= == > >= between? clamp
Enumerable: all? any? chain chunk chunk_while collect collect_concat compact count cycle detect drop drop_while
 each_cons each_entry each_slice each_with_index each_with_object entries filter filter_map find find_all
 find_index first flat_map grep grep_v group_by include? inject lazy map max max_by member? min min_by minmax
 minmax_by none? one? partition reduce reject reverse_each select slice_after slice_before slice_when sort
 sort_by sum take take_while tally to_a to_h to_set uniq zip
Numeric: % +@ -@ <=> abs abs2 angle arg ceil clone coerce conj conjugate denominator div divmod dup eql? fdiv
 finite? floor i imag imaginary infinite? integer? magnitude modulo negative? nonzero? numerator phase polar
 positive? quo real real? rect rectangular remainder round singleton_method_added step to_c to_int truncate zero?
Integer: % & * ** + - -@ / < << <= <=> == === > >= >> [] ^ abs allbits? anybits? bit_length ceil chr coerce
 denominator digits div divmod downto even? fdiv floor gcd gcdlcm inspect integer? lcm magnitude modulo next
 nobits? numerator odd? ord pow pred rationalize remainder round size succ times to_f to_i to_int to_r to_s
 truncate upto zero? | ~
Float: % * ** + - -@ / < <= <=> == === > >= abs angle arg ceil coerce denominator divmod eql? fdiv finite? floor
 hash infinite? inspect magnitude modulo nan? negative? next_float numerator phase positive? prev_float quo
 rationalize round to_f to_i to_int to_r to_s truncate zero?
String: % * + +@ -@ << <=> == === =~ [] []= ascii_only? b bytes bytesize byteslice capitalize capitalize!
 casecmp casecmp? center chars chomp chomp! chop chop! chr clear codepoints concat count crypt delete delete!
 delete_prefix delete_prefix! delete_suffix delete_suffix! downcase downcase! dump each_byte each_char
 each_codepoint each_grapheme_cluster each_line empty? encode encode! encoding end_with? eql? force_encoding
 freeze getbyte grapheme_clusters gsub gsub! hash hex include? index insert inspect intern length lines ljust
 lstrip lstrip! match match? next next! oct ord partition prepend replace reverse reverse! rindex rjust
 rpartition rstrip rstrip! scan scrub scrub! setbyte size slice slice! split squeeze squeeze! start_with? strip
 strip! sub sub! succ succ! sum swapcase swapcase! to_c to_f to_i to_r to_s to_str to_sym tr tr! tr_s tr_s!
 undump unicode_normalize unicode_normalize! unicode_normalized? unpack unpack1 upcase upcase! upto
 valid_encoding?
Symbol: <=> == === =~ [] capitalize casecmp casecmp? downcase empty? encoding end_with? id2name inspect intern
 length match match? name next size slice start_with? succ swapcase to_proc to_s to_sym upcase
Array: & * + - << <=> == [] []= all? any? append assoc at bsearch bsearch_index clear collect collect!
 combination compact compact! concat count cycle deconstruct delete delete_at delete_if difference dig drop
 drop_while each each_index empty? eql? fetch fill filter filter! find_index first flatten flatten! hash include?
 index insert inspect intersect? intersection keep_if last length map map! max min minmax none? one? pack
 permutation pop prepend product push rassoc reject reject! repeated_combination repeated_permutation replace
 reverse reverse! reverse_each rindex rotate rotate! sample select select! shift shuffle shuffle! size slice
 slice! sort sort! sort_by! sum take take_while to_a to_ary to_h to_s transpose union uniq uniq! unshift
 values_at zip |
Hash: < <= == > >= [] []= any? assoc clear compact compact! compare_by_identity compare_by_identity?
 deconstruct_keys default default= default_proc default_proc= delete delete_if dig each each_key each_pair
 each_value empty? eql? except fetch fetch_values filter filter! flatten has_key? has_value? hash include?
 inspect invert keep_if key key? keys length member? merge merge! rassoc rehash reject reject! replace select
 select! shift size slice store to_a to_h to_hash to_proc to_s transform_keys transform_keys! transform_values
 transform_values! update value? values values_at
Range: % == === begin bsearch count cover? each end entries eql? exclude_end? first hash include? inspect last
 max member? min minmax size step to_a to_s
Regexp: == === =~ casefold? encoding eql? fixed_encoding? hash inspect match match? named_captures names options
 source to_s ~
MatchData: == [] begin captures end eql? hash inspect length match match_length named_captures names offset
 post_match pre_match regexp size string to_a to_s values_at
Proc: << == === >> [] arity binding call clone curry dup eql? hash inspect lambda? parameters ruby2_keywords
 source_location to_proc to_s yield
Method: << == === >> [] arity call clone curry eql? hash inspect name original_name owner parameters private?
 protected? public? receiver source_location super_method to_proc to_s unbind
NilClass: & === =~ ^ inspect nil? rationalize to_a to_c to_f to_h to_i to_r to_s |
TrueClass: & === ^ inspect to_s |
FalseClass: & === ^ inspect to_s |
Exception: == backtrace backtrace_locations cause exception full_message inspect message respond_to?
 set_backtrace to_s
Enumerator: + each each_with_index each_with_object feed inspect next next_values peek peek_values rewind size
 with_index with_object
Enumerator::Lazy: chunk chunk_while collect collect_concat compact drop drop_while eager enum_for filter
 filter_map find_all flat_map force grep grep_v lazy map reject select slice_after slice_before slice_when take
 take_while to_enum uniq with_index zip
Time: + - <=> asctime ceil ctime day dst? eql? floor friday? getgm getlocal getutc gmt? gmt_offset gmtime gmtoff
 hash hour inspect isdst localtime mday min mon monday? month nsec round saturday? sec strftime subsec sunday?
 thursday? to_a to_date to_datetime to_f to_i to_r to_s to_time tuesday? tv_nsec tv_sec tv_usec usec utc utc?
 utc_offset wday wednesday? yday year zone
Date: + - << <=> === >> ajd amjd asctime ctime cwday cweek cwyear day day_fraction downto england eql? friday?
 gregorian gregorian? hash httpdate infinite? inspect iso8601 italy ld leap? marshal_dump marshal_load mday mjd
 mon monday? month new_start next next_day next_month next_year prev_day prev_month prev_year rfc2822 rfc3339
 rfc822 saturday? start step strftime succ sunday? thursday? to_date to_datetime to_s to_time tuesday? upto wday
 wednesday? xmlschema yday year
Set: & + - < << <= <=> == === > >= ^ add add? classify clear collect! compare_by_identity compare_by_identity?
 delete delete? delete_if difference disjoint? divide each empty? eql? filter! flatten flatten! flatten_merge
 freeze hash include? inspect intersect? intersection keep_if length map! member? merge proper_subset?
 proper_superset? reject! replace reset select! size subset? subtract superset? to_a to_s to_set union |
Struct: == [] []= deconstruct deconstruct_keys dig each each_pair eql? filter hash inspect length members select
 size to_a to_h to_s values values_at
Module: < <= <=> == === > >= alias_method ancestors attr attr_accessor attr_reader attr_writer autoload
 autoload? class_eval class_exec class_variable_defined? class_variable_get class_variable_set class_variables
 const_defined? const_get const_missing const_set const_source_location constants define_method
 deprecate_constant freeze include include? included_modules inspect instance_method instance_methods
 method_defined? module_eval module_exec name prepend private_class_method private_constant
 private_instance_methods private_method_defined? protected_instance_methods protected_method_defined?
 public_class_method public_constant public_instance_method public_instance_methods public_method_defined?
 remove_class_variable remove_method singleton_class? to_s undef_method
Class: allocate new subclasses superclass
IO: << advise autoclose= autoclose? binmode binmode? close close_on_exec= close_on_exec? close_read close_write
 closed? each each_byte each_char each_codepoint each_line eof eof? external_encoding fcntl fdatasync fileno
 flush fsync getbyte getc gets inspect internal_encoding ioctl isatty lineno lineno= pid pos pos= pread print
 printf putc puts pwrite read read_nonblock readbyte readchar readline readlines readpartial reopen rewind seek
 set_encoding set_encoding_by_bom stat sync sync= sysread sysseek syswrite tell to_i to_io tty? ungetbyte ungetc
 write write_nonblock
File: atime birthtime chmod chown ctime flock lstat mtime path size to_path truncate
Array.: [] try_convert
Hash.: [] ruby2_keywords_hash ruby2_keywords_hash? try_convert
String.: try_convert
Integer.: sqrt try_convert
Symbol.: all_symbols
Regexp.: compile escape last_match quote try_convert union
Proc.: new
Time.: at gm local mktime now utc
Date.: _httpdate _iso8601 _jisx0301 _load _parse _rfc2822 _rfc3339 _rfc822 _strptime _xmlschema civil commercial
 gregorian_leap? httpdate iso8601 jd jisx0301 julian_leap? leap? ordinal parse rfc2822 rfc3339 rfc822 strptime
 today valid_civil? valid_commercial? valid_date? valid_jd? valid_ordinal? xmlschema
File.: absolute_path absolute_path? atime basename birthtime blockdev? chardev? chmod chown ctime delete
 directory? dirname empty? executable? executable_real? exist? exists? expand_path extname file? fnmatch fnmatch?
 ftype grpowned? identical? join lchmod lchown link lstat lutime mkfifo mtime owned? path pipe? readable?
 readable_real? readlink realdirpath realpath rename setgid? setuid? size size? socket? split stat sticky?
 symlink symlink? truncate umask unlink utime world_readable? world_writable? writable? writable_real? zero?
IO.: binread binwrite copy_stream for_fd foreach new open pipe popen read readlines select sysopen try_convert
 write
Dir.: [] chdir children chroot delete each_child empty? entries exist? exists? foreach getwd glob home mkdir
 open pwd rmdir unlink
Process.: _fork abort argv0 clock_getres clock_gettime daemon detach egid egid= euid euid= exec exit exit! fork
 getpgid getpgrp getpriority getrlimit getsid gid gid= groups groups= initgroups kill last_status maxgroups
 maxgroups= pid ppid setpgid setpgrp setpriority setproctitle setrlimit setsid spawn times uid uid= wait wait2
 waitall waitpid waitpid2
Math.: acos acosh asin asinh atan atan2 atanh cbrt cos cosh erf erfc exp frexp gamma hypot ldexp lgamma log
 log10 log2 sin sinh sqrt tan tanh
Kernel.: Array Complex Float Hash Integer Rational String __callee__ __dir__ __method__ ` + "`" + ` abort at_exit autoload
 autoload? binding block_given? caller caller_locations catch eval exec exit exit! fail fork format gets
 global_variables iterator? lambda load local_variables loop open p print printf proc putc puts raise rand
 readline readlines require require_relative select set_trace_func sleep spawn sprintf srand syscall system test
 throw trace_var trap untrace_var warn
Struct.: new
Random.: bytes new_seed rand seed srand urandom
Set.: []
Exception.: exception to_tty?
Module.: constants nesting used_modules
Class.: allocate
ENV.: [] []= all? any? assoc chain chunk chunk_while clear clone collect collect_concat compact count cycle
 delete delete_if detect drop drop_while dup each each_cons each_entry each_key each_pair each_slice each_value
 each_with_index each_with_object empty? entries except fetch filter filter! filter_map find find_all find_index
 first flat_map freeze grep grep_v group_by has_key? has_value? include? inject inspect invert keep_if key key?
 keys lazy length map max max_by member? merge! min min_by minmax minmax_by none? one? partition rassoc reduce
 rehash reject reject! replace reverse_each select select! shift size slice slice_after slice_before slice_when
 sort sort_by store sum take take_while tally to_a to_h to_hash to_s to_set uniq update value? values values_at
 zip`

const rubyConstantNames = `ARGF ARGV ArgumentError Array BasicObject Bignum Binding Class ClosedQueueError Comparable Complex
 ConditionVariable Dir ENV EOFError Encoding EncodingError Enumerable Enumerator Errno Exception FalseClass Fiber
 FiberError File FileTest Fixnum Float FloatDomainError FrozenError GC Hash IO IOError IndexError Integer
 Interrupt Kernel KeyError LoadError LocalJumpError Marshal MatchData Math Method Module Mutex NameError NilClass
 NoMatchingPatternError NoMatchingPatternKeyError NoMemoryError NoMethodError NotImplementedError Numeric Object
 ObjectSpace Proc Process Queue Ractor Random Range RangeError Rational Refinement Regexp RegexpError RubyVM
 RuntimeError STDERR STDIN STDOUT ScriptError SecurityError Signal SignalException SizedQueue StandardError
 StopIteration String Struct Symbol SyntaxError SystemCallError SystemExit SystemStackError TOPLEVEL_BINDING
 Thread ThreadError ThreadGroup Time TracePoint TrueClass TypeError UnboundMethod UncaughtThrowError
 UnicodeNormalize Warning ZeroDivisionError`
