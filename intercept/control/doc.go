// Package control is how a test and the process that answers its system calls
// speak with one another: requests and answers in both directions, over one
// socket, any number at a time.
package control
