package notify

// Native is the machine that this program runs on.
var Native = AMD64
