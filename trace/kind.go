package trace

var kindNames = map[kind]string{
	newDevice: "the name of a new device", newProg: "the name of a new program",
	newLink: "the name of a new link", device: "a device", hook: "a hook",
	newObject: "a new name for an object", newNetns: "the name of a new network namespace",
	newProcess: "the name of a new process", netns: "a network namespace", process: "a process",
	path: "a path", mode: "a mode", policy: "a policy", capabilities: "capabilities",
	fd: "a program or link", fds: "a program or link", id: "a program or link", feature: "a feature",
	flags: "flags", u32: "a number", u64: "a number", s32: "a number",
	progType: "a program type", null: "null", array: "array", qdiscKind: "clsact or ingress", nlFlags: "flags", u16: "a number",
	newCgroup: "the name of a new cgroup", cgroup: "a cgroup", attachType: "an attach type", hooks: "a kind of hooks",
}

func (k kind) String() string { return kindNames[k] }

// declared names what a declaring kind makes.
func (k kind) declared() string {
	return map[kind]string{newDevice: "device", newProg: "program", newLink: "link",
		newObject: "object", newNetns: "network namespace", newProcess: "process", newCgroup: "cgroup"}[k]
}
