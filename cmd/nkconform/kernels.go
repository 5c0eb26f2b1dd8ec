package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/matrix"
)

func kernelsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "kernels",
		Short: "List, fetch and build kernels to boot",
		Long:  "Kernels looks after the kernels that run, matrix and vm boot. An IMAGE is one of\n\n" + image.Forms,
		Example: `  nkconform kernels list
  nkconform kernels fetch debian:7.1
  nkconform kernels build uml --source debian:7.3`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(kernelsListCommand(), kernelsFetchCommand(), kernelsPruneCommand(), kernelsBuildCommand(), kernelsSourceCommand(), kernelsLayoutsCommand())
	return c
}

func kernelsListCommand() *cobra.Command {
	var refresh bool
	var format string
	c := &cobra.Command{
		Use:   "list",
		Short: "List the kernels that can be had, and which of them are in the cache",
		Example: `  nkconform kernels list
  nkconform kernels list --refresh
  nkconform kernels list --format json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := textOrJSON(format); err != nil {
				return err
			}
			list, err := image.List(c.Context(), image.Options{Progress: progress(), Refresh: refresh})
			if err != nil {
				return err
			}
			if format == "json" {
				return printJSON(list)
			}
			w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "IMAGE\tRELEASE\tCACHED")
			for _, e := range list {
				cached := "-"
				if e.Cached {
					cached = "yes"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", e.Ref, e.Release, cached)
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&refresh, "refresh", false, "fetch newer package lists first")
	c.Flags().StringVarP(&format, "format", "f", "text", "text or json")
	return c
}

func kernelsFetchCommand() *cobra.Command {
	var refresh, modules bool
	c := &cobra.Command{
		Use:   "fetch [flags] [IMAGE...]",
		Short: "Fetch kernels into the cache, without IMAGE those of matrix",
		Example: `  nkconform kernels fetch
  nkconform kernels fetch debian:7.1 debian:6.12/amd64
  nkconform kernels fetch --refresh debian:7.3
  nkconform kernels fetch --modules debian:7.3`,
		RunE: func(c *cobra.Command, images []string) error {
			return fetchKernels(c.Context(), images, refresh, modules)
		},
	}
	c.Flags().BoolVar(&refresh, "refresh", false, "look for something newer than what is in the cache")
	c.Flags().BoolVar(&modules, "modules", false, "fetch their modules, too, which vm and --module want")
	return c
}

// fetchKernels fetches all that can be had, and tells of each what it is.
func fetchKernels(ctx context.Context, images []string, refresh, modules bool) error {
	entries, err := matrix.ParseArgs(images, matrix.Auto)
	if len(images) == 0 {
		entries, err = matrix.ParseList("the built-in list", matrix.DefaultList, matrix.Auto)
	}
	if err != nil {
		return err
	}
	errs := &multierror.Error{ErrorFormat: matrix.Lines}
	for _, e := range entries {
		opts := image.Options{Progress: progress(), Refresh: refresh}
		img, err := image.Resolve(ctx, e.Image, opts)
		if err == nil && modules {
			_, err = img.FetchModules(ctx, opts)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			errs = multierror.Append(errs, err)
			continue
		}
		fmt.Printf("%s: %s\n", e.Image, img.Kernel)
	}
	return errs.ErrorOrNil()
}

func kernelsPruneCommand() *cobra.Command {
	var unused time.Duration
	var all bool
	c := &cobra.Command{
		Use:   "prune [flags]",
		Short: "Remove from the cache what has not been used for long",
		Example: `  nkconform kernels prune
  nkconform kernels prune --unused 24h
  nkconform kernels prune --all`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if unused <= 0 {
				return fmt.Errorf("bad time %s for --unused: expected more than 0, or --all", unused)
			}
			if all {
				unused = 0
			}
			freed, err := image.Prune(c.Context(), unused)
			if err != nil {
				return err
			}
			fmt.Printf("freed %.1f MB\n", float64(freed)/1e6)
			return nil
		},
	}
	c.Flags().DurationVar(&unused, "unused", 30*24*time.Hour, "for how long")
	c.Flags().BoolVar(&all, "all", false, "everything, package lists and logs included")
	return c
}

func kernelsBuildCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "build",
		Short: "Build a kernel that no one packages",
		Example: `  nkconform kernels build uml --source debian:7.3
  nkconform kernels build uml --source ~/src/linux`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var source string
	uml := &cobra.Command{
		Use:   "uml --source DIR|debian:VERSION",
		Short: "Build a User-Mode Linux, the fastest machine of all",
		Long: `Uml builds a User-Mode Linux with netkit from a clean source tree, or from
Debian's source package of that version, and prints the IMAGE that run, matrix
and vm take. It takes minutes, and needs gcc, make, flex, bison and bc.`,
		Example: `  nkconform kernels build uml --source debian:7.3
  nkconform kernels build uml --source ~/src/linux`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ref, err := image.BuildUML(c.Context(), source, image.Options{Progress: progress()})
			if err != nil {
				return err
			}
			fmt.Println(ref)
			return nil
		},
	}
	uml.Flags().StringVar(&source, "source", "", "kernel source tree, or debian:VERSION")
	if err := uml.MarkFlagRequired("source"); err != nil {
		panic(err) // the flag is defined above
	}
	c.AddCommand(uml)
	return c
}

func kernelsSourceCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "source VERSION DIR",
		Short:   "Unpack the kernel source that Debian has, and print its folder",
		Example: `  nkconform kernels source 7.3 /tmp`,
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			tree, err := image.UnpackSource(c.Context(), args[0], args[1], image.Options{Progress: progress()})
			if err != nil {
				return err
			}
			fmt.Println(tree)
			return nil
		},
	}
}
