// Package page is a page of HTML with the simulated kernel in it: eleven lessons about
// what attaching programs does, and a kernel to try everything on.
//
// All of the page is one [State], a value: the release, the lesson, the statements and
// how many of them are played. [App.Do] makes the next one of it, and [App.View] is what
// is drawn. Both are this package, compiled to WebAssembly; the script of the page draws
// views and hands actions on.
package page
