// Package junit writes what happened as the XML that JUnit's Ant task made
// common and that CI servers read: a testsuite for each instance, a testcase
// for each phase.
//
// No single standard exists. The elements and attributes are those that the
// schema of Jenkins' xUnit plug-in (junit-10.xsd) allows, and GitLab, GitHub's
// reporters and Azure DevOps read: name, classname, time, timestamp, counts on
// every level, failure and error with message and type, skipped, system-out.
//
// It imports internal/ui/history and internal/ui/ansi, and the engine's names.
package junit
