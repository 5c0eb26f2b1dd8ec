package rtnl

// Families of messages that tell of more than one (include/uapi/linux/rtnetlink.h,
// include/linux/socket.h).
const (
	familyIPv4Multi = 128 // RTNL_FAMILY_IPMR
	familyIPv6Multi = 129 // RTNL_FAMILY_IP6MR
)

// groups are those that the kernel tells of changes (RTNLGRP_*), by the type of the
// message that says so of something new and by its family, 0 for the other ones.
var groups = map[uint16]map[byte]uint32{
	newLink:    {0: linkGroup, familyIPv6: 12},
	newAddress: {familyIPv4: 5, familyIPv6: 9},
	24:         {familyIPv4: 7, familyIPv6: 11, familyIPv4Multi: 6, familyIPv6Multi: 10}, // RTM_NEWROUTE
	28:         {0: 3},                                                                   // RTM_NEWNEIGH
	32:         {familyIPv4: 8, familyIPv6: 19},                                          // RTM_NEWRULE
	newQdisc:   {0: tcGroup},
	40:         {0: tcGroup}, // RTM_NEWTCLASS
	newFilter:  {0: tcGroup},
	newAction:  {0: tcGroup},
	52:         {0: 18},                          // RTM_NEWPREFIX
	68:         {0: 20},                          // RTM_NEWNDUSEROPT
	80:         {familyIPv4: 24, familyIPv6: 25}, // RTM_NEWNETCONF
	84:         {0: 26},                          // RTM_NEWMDB
	newNSID:    {0: 28},
	newStats:   {0: 36},
	newChain:   {0: tcGroup},
	104:        {0: 32}, // RTM_NEWNEXTHOP
	112:        {0: 33}, // RTM_NEWVLAN
}

// Group returns the group for which a datagram is that a socket is sent, 0 if it is for
// the socket alone, as answers are.
func (k *Socket) Group(datagram []byte) uint32 {
	list := split(datagram)
	if len(list) == 0 || list[0].typ < firstRT || len(list[0].body) == 0 {
		return 0
	}
	m, asked := list[0], k.inHand
	if asked.typ != 0 && m.seq == asked.seq && m.port == k.Port && (gets(asked.typ) || asked.flags&flagEcho != 0) {
		return 0
	}
	byFamily := groups[m.typ&^1] // of what is gone, as of what is new
	group, ok := byFamily[m.body[0]]
	if !ok {
		group = byFamily[0]
	}
	return group
}

// gets reports whether requests of a type change nothing: the third of each four types.
func gets(typ uint16) bool { return (typ-firstRT)%4 == 2 }
