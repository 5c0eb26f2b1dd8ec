package harness

// machines are all there are, the fastest first.
var machines = []bootable{uml{}, qemu{}, vng{}}
