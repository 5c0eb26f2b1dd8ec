// What the agent attaches: a program that calls the next stage, and the stage that
// drops what goes to a denied UDP port. Built by build.sh into cni.o.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NEXT -1 // NETKIT_NEXT
#define DROP 2	// NETKIT_DROP

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} stages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u16);   // a port
	__type(value, __u64); // how many packets were dropped
} denied SEC(".maps");

SEC("netkit/primary")
int from_container(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &stages, 0);
	return NEXT; // no policy yet
}

SEC("netkit/primary")
int policy(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + ETH_HLEN;
	struct udphdr *udp = (void *)(ip + 1);

	if (skb->protocol != bpf_htons(ETH_P_IP) || (void *)(udp + 1) > end || ip->protocol != IPPROTO_UDP)
		return NEXT;
	__u16 port = bpf_ntohs(udp->dest);
	__u64 *drops = bpf_map_lookup_elem(&denied, &port);
	if (!drops)
		return NEXT;
	__sync_fetch_and_add(drops, 1);
	return DROP;
}

char _license[] SEC("license") = "GPL";
