package ruby

// node is a piece of a parsed program. Its position is a byte offset into the
// program's source.
type node interface {
	eval(in *Interp, f *frame) Value
	offset() int
}

type at int

func (a at) offset() int { return int(a) }

type (
	selfNode struct{ at }

	// litNode is an immutable literal: nil, true, false, Integer, Float,
	// Symbol.
	litNode struct {
		at
		v Value
	}
	strNode struct {
		at
		s string
	}
	// dstrNode is a text with interpolations.
	dstrNode struct {
		at
		parts []node
		kind  byte // 0: a string, ':': a symbol, '`': a command
	}
	regexNode struct {
		at
		parts  []node
		flags  string
		cached func() *Regexp // without interpolation
	}
	arrayNode struct {
		at
		elems []node // may hold splatNode
	}
	hashNode struct {
		at
		pairs []pairNode
		brace bool // false: keywords of a call
	}
	pairNode struct {
		key node // nil: **val
		val node
	}
	rangeNode struct {
		at
		lo, hi node // either may be nil
		excl   bool
	}
	splatNode struct {
		at
		n node // nil for a bare * among targets
	}

	lvarNode struct {
		at
		name  string
		depth int // how many blocks outwards
		idx   int
	}
	// varNode is @name or $name.
	varNode struct {
		at
		name string
	}
	constNode struct {
		at
		scope node // nil: lexical
		top   bool // ::Name
		name  string
	}

	// asgnNode assigns to a single target: lvar, ivar, gvar, const, attribute
	// call, index call.
	asgnNode struct {
		at
		target node
		val    node
	}
	mlhsNode struct {
		at
		targets []node // one may be splatNode
	}
	masgnNode struct {
		at
		lhs *mlhsNode
		val node
	}

	callNode struct {
		at
		recv     node // nil: self
		name     string
		args     []node // the last may be a hashNode without braces
		block    *funcNode
		blockArg node
		safe     bool // &.
		parens   bool // has an argument list, if only an empty one
		private  bool // recv is self, so that private methods may be called
	}
	yieldNode struct {
		at
		args []node
	}
	notNode struct {
		at
		n node
	}
	logicNode struct {
		at
		l, r node
		and  bool // else or
	}
	definedNode struct {
		at
		n node
	}
	ifNode struct {
		at
		cond, then, els node
	}
	caseNode struct {
		at
		subj  node // may be nil
		whens []whenClause
		els   node
	}
	whenClause struct {
		conds []node
		body  node
	}
	beginNode struct {
		at
		body    node
		rescues []rescueClause
		els     node
		ensure  node
	}
	rescueClause struct {
		classes []node
		target  node
		body    node
	}
	seqNode struct {
		at
		stmts []node
	}
	// jumpNode is return, break and next.
	jumpNode struct {
		at
		kind jumpKind
		val  node // may be nil
	}

	defNode struct {
		at
		onSelf bool // def self.name
		name   string
		fn     func() *funcNode
	}
	classNode struct {
		at
		cpath  *constNode
		super  node
		module bool
		body   node
		scope  *scope
	}
	lambdaNode struct {
		at
		fn *funcNode
	}
)

// funcNode is the body of a method, block or lambda.
type funcNode struct {
	at
	params  *paramList // nil: a block without any
	body    node
	scope   *scope
	jumpNxt bool // holds a next (blocks)
	jumpBrk bool // holds a break (blocks)
	jumpRet bool // holds a return, its own or in a block inside
}

type paramKind uint8

const (
	pReq paramKind = iota
	pOpt
	pRest
	pPost
	pKey
	pKeyReq
	pKeyRest
	pBlock
)

type param struct {
	kind paramKind
	name string
	idx  int // variable, -1 for none
	def  node
	sub  *paramList // destructured
}

type paramList struct {
	ps    []param
	req   int // required, before and after the optional ones
	opt   int
	rest  int // index into ps, or -1
	hasKw bool
}

func newParamList() *paramList { return &paramList{rest: -1} }

func (pl *paramList) add(p param) {
	switch p.kind {
	case pReq, pPost:
		pl.req++
	case pOpt:
		pl.opt++
	case pRest:
		pl.rest = len(pl.ps)
	case pKey, pKeyReq, pKeyRest:
		pl.hasKw = true
	}
	pl.ps = append(pl.ps, p)
}

// scope holds the local variables of a method, class, program or block while it
// is parsed; afterwards only its size counts.
type scope struct {
	names  map[string]int
	order  []string
	parent *scope // of a block only
	fn     *funcNode
	kind   scopeKind
	loop   bool // the body of a for loop, which declares variables outside
}

type scopeKind uint8

const (
	scopeTop scopeKind = iota
	scopeDef
	scopeClass
	scopeBlock
)

func (s *scope) declare(name string) int {
	if i, ok := s.names[name]; ok {
		return i
	}
	if s.loop {
		return s.parent.declare(name)
	}
	if s.names == nil {
		s.names = map[string]int{}
	}
	i := s.hidden()
	s.names[name], s.order[i] = i, name
	return i
}

// hidden makes a variable that no name reaches.
func (s *scope) hidden() int {
	s.order = append(s.order, "")
	return len(s.order) - 1
}

func (s *scope) lookup(name string) (depth, idx int, ok bool) {
	for sc := s; sc != nil; sc = sc.parent {
		if i, ok := sc.names[name]; ok {
			return depth, i, true
		}
		depth++
	}
	return 0, 0, false
}
