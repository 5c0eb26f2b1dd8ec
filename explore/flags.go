package explore

import (
	"flag"
	"time"
)

// The flags of test programs that explore.
var (
	flagReplay = flag.String("explore.replay", "", "play one schedule, as a report names it")
	flagRandom = flag.Int("explore.random", 0, "explore by so many runs chosen at random, instead of completely")
	flagSeed   = flag.Uint64("explore.seed", 1, "the seed of -explore.random")
	flagTime   = flag.Duration("explore.time", 0, "explore for so long at most")
	flagAll    = flag.Bool("explore.all", false, "go on after the first finding")
)

func flagged() (list []Option) {
	if *flagReplay != "" {
		list = append(list, Replay(*flagReplay))
	}
	if *flagRandom > 0 {
		list = append(list, Random(*flagRandom, 0, *flagSeed))
	}
	if *flagTime > time.Duration(0) {
		list = append(list, Time(*flagTime))
	}
	if *flagAll {
		list = append(list, All())
	}
	return list
}
