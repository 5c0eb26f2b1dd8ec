package trace

import "github.com/nkconform/nkconform/mprog"

// File is one trace.
type File struct {
	Name  string // where it came from, for errors
	Lines []Line
}

// Line is a statement, a comment, both, or blank.
type Line struct {
	Statement *Statement // nil: none
	Comment   string     // from # to the end of the line, "" for none
}

// Statements returns the file's statements in order.
func (f *File) Statements() []*Statement {
	var list []*Statement
	for _, l := range f.Lines {
		if l.Statement != nil {
			list = append(list, l.Statement)
		}
	}
	return list
}

// Statement is one system call, or one step that sets the stage.
type Statement struct {
	Line     int      // line number in the file, from 1
	Process  string   // who makes the call; "": the first process
	Verb     string   // a key of the language's table of verbs
	Operands []string // as written
	Params   []Param  // in the order written
	Answer   Answer
}

// Param is key=value.
type Param struct{ Key, Value string }

// Param returns the value of a key, and whether the statement has it.
func (s *Statement) Param(key string) (string, bool) {
	for _, p := range s.Params {
		if p.Key == key {
			return p.Value, true
		}
	}
	return "", false
}

// Answer is what a kernel must answer: any one of the outcomes. Without
// outcomes, and without Any, the statement must succeed.
type Answer struct {
	Any      bool // written ?: whatever comes is right
	Outcomes []Outcome
}

// Outcome is one answer: success or an errno, and what the kernel wrote or
// what state it left behind.
type Outcome struct {
	Errno  mprog.Errno // 0: success
	Rule   mprog.Rule  // behind the errno, for those who know it; "" if not named
	Fields []Field     // named values, such as revision 4
	List   []Entry     // programs in order of execution
	Listed bool        // the list is part of the outcome, also when empty
}

// Field is a named value of an outcome.
type Field struct{ Name, Value string }

// Field returns a named value, and whether the outcome has it.
func (o Outcome) Field(name string) (string, bool) {
	for _, f := range o.Fields {
		if f.Name == name {
			return f.Value, true
		}
	}
	return "", false
}

// Entry is a program in a hook's list, and the link that owns it or "".
type Entry struct{ Prog, Link string }
