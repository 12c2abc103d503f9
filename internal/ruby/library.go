package ruby

import "strings"

// classDefs lists Ruby's own classes and modules, each after its superclass,
// with the methods that are written in Go. More methods of them are in lib/*.rb.
func classDefs() []classDef {
	defs := []classDef{
		{name: "Kernel", module: true, methods: append(kernelMethods(), kernelFunctions()...), class: kernelFunctions()},
		{name: "Object", include: "Kernel", methods: []builtin{{"-private:initialize", 0, 0, objectNil}}},
		{name: "Module", super: "Object", methods: moduleMethods()},
		{name: "Class", super: "Module", methods: []builtin{{"new", 0, -1, classNew}}},
		{name: "Enumerable", module: true, methods: enumerableMethods()},
		{name: "NilClass", super: "Object", methods: nilMethods()},
		{name: "TrueClass", super: "Object"},
		{name: "FalseClass", super: "Object"},
		{name: "Numeric", super: "Object"},
		{name: "Integer", super: "Numeric", methods: append(numberMethods(), integerMethods()...)},
		{name: "Float", super: "Numeric", methods: numberMethods()},
		{name: "String", super: "Object", methods: stringMethods(), class: []builtin{{"new", 0, -1, stringNew}}},
		{name: "Symbol", super: "Object", methods: symbolMethods()},
		{name: "Array", super: "Object", include: "Enumerable", methods: arrayMethods()},
		{name: "Hash", super: "Object", include: "Enumerable", methods: hashMethods(), class: []builtin{{"new", 0, 1, hashNew}}},
		{name: "Range", super: "Object", include: "Enumerable", methods: rangeMethods()},
		{name: "Enumerator", super: "Object", include: "Enumerable", methods: []builtin{{"each", 0, 0, enumeratorEach}}},
		{name: "Regexp", super: "Object", methods: []builtin{
			{"=== =~ match match?", 1, 1, regexpMatch},
		}, class: regexpClassMethods()},
		{name: "MatchData", super: "Object", methods: matchMethods()},
		{name: "Proc", super: "Object", methods: []builtin{
			{"call () yield === []", 0, -1, procCall},
			{"to_proc", 0, 0, self},
		}, class: []builtin{{"new", 0, 0, procNew}}},
		{name: "ENV", super: "Object", include: "Enumerable", methods: envMethods()},
		{name: "IO", super: "Object", include: "Enumerable", methods: []builtin{
			{"puts", 0, -1, kernelPuts},
			{"print", 0, -1, ioPrint},
		}, class: ioClassMethods()},
		{name: "File", super: "IO", class: fileClassMethods()},
		{name: "Dir", super: "Object", class: dirClassMethods()},
		{name: "FileUtils", module: true, class: []builtin{
			{"mkdir mkdir_p rm rm_f rm_r rm_rf cp cp_r mv ln ln_s ln_sf touch chmod chmod_R chown install cd", 0, -1, refuseChange},
		}},
		{name: "Time", super: "Object", methods: timeMethods(), class: []builtin{
			{"now", 0, 0, func(in *Interp, _ *call) Value { return &timeValue{in.local(in.cfg.Now())} }},
		}},
		{name: "Process", module: true},
		{name: "Process::Status", super: "Object", methods: []builtin{
			{"success?", 0, 0, func(_ *Interp, c *call) Value { return c.self.(*Object).data == 0 }},
			{"exitstatus", 0, 0, func(_ *Interp, c *call) Value { return c.self.(*Object).data }},
		}},
		{name: "JSON", module: true, class: []builtin{
			{"parse", 1, 2, jsonParse},
			{"-private:__quote", 1, 1, jsonQuote},
		}},
		{name: "Psych", module: true, class: []builtin{
			{"load safe_load unsafe_load load_file safe_load_file unsafe_load_file", 1, -1, yamlLoad},
		}},
		{name: "Base64", module: true, class: []builtin{
			{"strict_encode64", 1, 1, base64Encode},
			{"strict_decode64", 1, 1, base64Decode},
		}},
		{name: "SecureRandom", module: true, class: []builtin{{"hex base64", 0, 1, secureRandom}}},
		{name: "RbConfig", module: true},
		{name: "Etc", module: true, class: []builtin{{"getlogin", 0, 0, etcGetlogin}}},
		{name: "Socket", super: "Object", class: []builtin{{"gethostname", 0, 0, hostname}}},
		{name: "Errno", module: true},
		{name: "Exception", super: "Object", methods: []builtin{
			{"-private:initialize", 0, -1, exceptionInitialize},
			{"to_s", 0, 0, exceptionToS},
		}, class: []builtin{{"exception", 0, -1, classNew}}},
	}
	for _, pair := range strings.Fields(exceptionTree) {
		name, super, _ := strings.Cut(pair, "<")
		defs = append(defs, classDef{name: name, super: super})
	}
	return defs
}

// exceptionTree lists Ruby's exceptions as child<parent.
const exceptionTree = `NoMemoryError<Exception ScriptError<Exception LoadError<ScriptError
	NotImplementedError<ScriptError SyntaxError<ScriptError SecurityError<Exception SystemExit<Exception
	SystemStackError<Exception SignalException<Exception Interrupt<SignalException StandardError<Exception
	ArgumentError<StandardError EncodingError<StandardError IOError<StandardError EOFError<IOError
	IndexError<StandardError KeyError<IndexError StopIteration<IndexError LocalJumpError<StandardError
	NameError<StandardError NoMethodError<NameError RangeError<StandardError FloatDomainError<RangeError
	RegexpError<StandardError RuntimeError<StandardError FrozenError<RuntimeError SystemCallError<StandardError
	TypeError<StandardError ZeroDivisionError<StandardError Errno::ENOENT<SystemCallError
	Errno::EACCES<SystemCallError Errno::EISDIR<SystemCallError Errno::ENOTDIR<SystemCallError
	Errno::EINVAL<SystemCallError JSON::JSONError<StandardError JSON::ParserError<JSON::JSONError
	Psych::SyntaxError<StandardError Psych::BadAlias<StandardError`

func exceptionInitialize(in *Interp, c *call) Value {
	x := c.self.(*Exception)
	if len(c.args) > 0 {
		x.msg = c.args[0]
	}
	return nil
}

func exceptionToS(in *Interp, c *call) Value {
	x := c.self.(*Exception)
	if x.msg == nil {
		return in.str(x.class.name)
	}
	return in.str(in.toS(x.msg))
}

// excMessage is Exception#message.
func (in *Interp) excMessage(x *Exception) string { return in.toS(in.send(x, "message")) }

// errnoText is the operating system's text of an Errno class.
func errnoText(class string) string {
	return map[string]string{
		"Errno::ENOENT": "No such file or directory", "Errno::EACCES": "Permission denied",
		"Errno::EISDIR": "Is a directory", "Errno::ENOTDIR": "Not a directory", "Errno::EINVAL": "Invalid argument",
	}[class]
}

func procNew(in *Interp, c *call) Value {
	in.raiseIf(c.blk == nil, "ArgumentError", "tried to create Proc object without a block")
	return c.blk
}

func procCall(in *Interp, c *call) Value {
	return in.callProc(c.self.(*Proc), arguments{c.args, c.kw, c.blk})
}

func envMethods() []builtin {
	return []builtin{
		{"[]", 1, 1, func(in *Interp, c *call) Value { return in.envLookup(c.args[0]) }},
		{"[]= store", 2, 2, envSet},
		{"delete", 1, 1, envDelete},
		{"keys", 0, 0, func(in *Interp, _ *call) Value { return FromGo(in.env.Names()) }},
		{"to_s", 0, 0, func(in *Interp, _ *call) Value { return in.str("ENV") }},
	}
}

// envObject is ENV.
type envObject struct{}

func (in *Interp) frozenStr(s string) *String {
	in.alloc(len(s) + 48)
	return &String{s: s, frozen: true}
}

// envLookup is ENV[name], noted as a read.
func (in *Interp) envLookup(v Value) Value {
	name := in.argString(v)
	in.noteEnv(name)
	if s, ok := in.env.Lookup(name); ok {
		return in.frozenStr(s)
	}
	return nil
}

func envSet(in *Interp, c *call) Value {
	name := in.argString(c.args[0])
	if c.args[1] == nil {
		in.env.Unset(name)
		return nil
	}
	value := in.argString(c.args[1])
	in.unsupportedIf(name == "" || strings.ContainsAny(name, "=\x00"), "a variable with this name in ENV")
	in.unsupportedIf(strings.Contains(value, "\x00"), "a null byte in ENV")
	in.alloc(len(name) + len(value) + 100)
	in.env.Set(name, value)
	return c.args[1]
}

func envDelete(in *Interp, c *call) Value {
	v := in.envLookup(c.args[0])
	in.env.Unset(in.argString(c.args[0]))
	return v
}
