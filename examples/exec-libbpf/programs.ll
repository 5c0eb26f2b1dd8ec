; Five programs that let the next one decide: they return NETKIT_NEXT (-1).
target triple = "bpf"

@_license = global [4 x i8] c"GPL\00", section "license"

define i32 @a(i8* %skb) section "netkit/primary" { ret i32 -1 }
define i32 @b(i8* %skb) section "netkit/primary" { ret i32 -1 }
define i32 @c(i8* %skb) section "netkit/primary" { ret i32 -1 }
define i32 @d(i8* %skb) section "netkit/primary" { ret i32 -1 }
define i32 @e(i8* %skb) section "netkit/primary" { ret i32 -1 }
