// Package action tests what the composite action's steps do, each as GitHub runs
// it. It has no code.
package action
