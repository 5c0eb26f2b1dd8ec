package fake

import "github.com/nkconform/nkconform/mprog"

// Ids.
var (
	idRange = rule("id/range", mprog.EINVAL,
		"The id to start behind must be below 2147483647.", "bpf_obj_get_next_id").
		passing("$1 is below 2147483647")
	idLast = rule("id/last", mprog.ENOENT,
		"There must be an object with a higher id.", "bpf_obj_get_next_id").
		passing("the next id is $1")
	idNone = rule("id/none", mprog.ENOENT,
		"There must be an object with the id.", "bpf_prog_by_id, bpf_link_by_id").
		passing("something has id $1")
)

// Pins.
var (
	pinFlags = rule("pin/flags", mprog.EINVAL,
		"Pinning takes no flag but PATH_FD, opening a pin also RDONLY and WRONLY; path_fd needs its flag.",
		"bpf_obj_pin, bpf_obj_get").
		passing("file_flags $x1 are known")
	pinNotObject = rule("pin/not-an-object", mprog.EINVAL,
		"The fd to pin must be open, and a BPF object's.", "bpf_fd_probe_obj").
		passing("fd $1 is a BPF object")
	getFD = rule("get/fd", mprog.EINVAL,
		"Opening a pin takes no bpf_fd.", "bpf_obj_get")
	getAccess = rule("get/access", mprog.EINVAL,
		"A pin is not opened read only and write only.", "bpf_get_file_flag")
	pathFault = rule("path/address", mprog.EFAULT,
		"The path must be readable memory.", "getname")
	pathLong = rule("path/long", mprog.ENAMETOOLONG,
		"A path has at most 4095 bytes, a name in it 255.", "getname, simple_lookup")
	pathMissing = rule("path/missing", mprog.ENOENT,
		"What a path leads through, and what is opened or removed, must exist.", "link_path_walk").
		passing("the path exists")
	pathNotFolder = rule("path/not-a-folder", mprog.ENOTDIR,
		"A path leads through folders only.", "link_path_walk")
	pathDot = rule("path/dot", mprog.EPERM,
		"Names on the bpf file system have no dots.", "bpf_lookup")
	pinExists = rule("pin/exists", mprog.EEXIST,
		"The path to pin at must not exist.", "filename_create")
	pinElsewhere = rule("pin/elsewhere", mprog.EPERM,
		"Objects are pinned on a bpf file system.", "bpf_obj_do_pin").
		passing("the path is free, on a bpf file system")
	getNotPin = rule("get/not-a-pin", mprog.EACCES,
		"What is opened must be a pin.", "bpf_inode_type").
		passing("something is pinned at the path")
	getLinkAccess = rule("get/link-access", mprog.EINVAL,
		"A link's pin is opened for reading and writing.", "bpf_obj_get_user")
	unlinkFolder = rule("unlink/folder", mprog.EISDIR,
		"A folder is not removed like a file.", "do_unlinkat")
)

// Commands by number.
var (
	commandUnknown = rule("command/unknown", mprog.EINVAL,
		"The number must be a command's.", "__sys_bpf")
	commandZeros = rule("command/zeros", mprog.EINVAL,
		"A command on maps, programs or links does not take fd 0 for one, nor 0 for a type.", "__sys_bpf")
	loadLicense = rule("prog-load/license", mprog.EFAULT,
		"Linux 6.1 reads the license, whose address must be readable, before it looks for instructions.", "bpf_prog_load")
	loadEmpty = rule("prog-load/empty", mprog.E2BIG,
		"A program has at least one instruction.", "bpf_prog_load")
	needBPF = rule("prog-load/capability", mprog.EPERM,
		"To load a program or BTF takes CAP_BPF or CAP_SYS_ADMIN, as kernels are configured by default.", "bpf_prog_load")
	loadNetAdmin = rule("prog-load/net-admin", mprog.EPERM,
		"To load a program that handles packets takes CAP_NET_ADMIN or CAP_SYS_ADMIN.", "bpf_prog_load")
)

// Setting the stage.
var (
	progTypeUnknown = rule("stage/prog-type", mprog.EINVAL,
		"A program's type must exist.", "bpf_prog_load")
	progName = rule("stage/prog-name", mprog.EINVAL,
		"A program's name has at most 15 bytes: letters, digits, _ and .", "bpf_obj_name_cpy")
	deviceNameLong = rule("stage/device-name-long", mprog.ERANGE,
		"A device's name has at most 15 bytes.", "rtnl_newlink")
	deviceName = rule("stage/device-name", mprog.EINVAL,
		"A device's name is not empty, . or .. and has no slash, colon or space.", "dev_valid_name")
	deviceTaken = rule("stage/device-name-taken", mprog.EEXIST,
		"A device's name is unique in its network namespace.", "rtnl_newlink")
	deviceAbsent = rule("stage/device-none", mprog.ENODEV,
		"The device to delete must exist.", "rtnl_dellink")
	deviceLoopback = rule("stage/device-loopback", mprog.EOPNOTSUPP,
		"lo cannot be deleted.", "rtnl_delete_link")
	deviceSinglePolicy = rule("stage/single-policy", mprog.EOPNOTSUPP,
		"A netkit device without a peer takes no policy but forward, and none for a peer.", "netkit_new_link")
	netnsNone = rule("stage/netns", mprog.EINVAL,
		"The network namespace must exist.", "get_net_ns_by_fd")
	netnsClosed = rule("stage/ended-netns", mprog.EBADF,
		"A network namespace that has been ended is not entered, nor ended, any more.", "get_net_ns_by_fd, setns, close")
	moveLoopback = rule("stage/move-loopback", mprog.EINVAL,
		"lo stays in its network namespace.", "dev_change_net_namespace")
)
