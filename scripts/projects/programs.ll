; Two programs of tc, one that says nothing and one that lets pass, and one of XDP.
target triple = "bpf"

@_license = global [4 x i8] c"GPL\00", section "license"

define i32 @next(i8* %skb) section "tc" { ret i32 -1 }
define i32 @ok(i8* %skb) section "tc" { ret i32 0 }
define i32 @pass(i8* %xdp) section "xdp" { ret i32 2 }
