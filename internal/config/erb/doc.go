// Package erb renders ERB templates the way Test Kitchen does: ERB.new(content).result, with the default trim mode, in
// which "-%>" means nothing special.
//
// A template is compiled into one Ruby program exactly as Ruby's own ERB does it, so that what spans several tags
// works and fails alike; internal/ruby runs it. [Render] also tells where each rendered line comes from and
// which variables of the environment went into it.
//
// It is meant for internal/config.
package erb
