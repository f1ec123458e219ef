// Command csidriver is a CSI driver whose volumes and snapshots are folders.
//
// It exists so that tests and the demo can compare the bytes of a restored volume with the
// bytes that were backed up, on a machine with neither disks to attach nor a kubelet.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"lifeboat.local/cluster/csidriver/internal/driver"
	"lifeboat.local/cluster/csidriver/internal/folder"
)

const rootVariable = "LIFEBOAT_FOLDER_CSI_ROOT"

func main() {
	endpoint := flag.String("endpoint", "", "Unix socket to serve on, as unix:///path (required)")
	root := flag.String("root", os.Getenv(rootVariable),
		"folder that holds volumes and snapshots (default: $"+rootVariable+")")
	flag.Parse()
	if err := serve(*endpoint, *root); err != nil {
		fmt.Fprintln(os.Stderr, "csidriver:", err)
		os.Exit(1)
	}
}

func serve(endpoint, root string) error {
	if endpoint == "" || root == "" {
		return fmt.Errorf("give --endpoint and --root (or set %s)", rootVariable)
	}
	store, err := folder.Open(root)
	if err != nil {
		return err
	}
	listener, err := driver.Listen(endpoint)
	if err != nil {
		return err
	}
	server := driver.NewServer(store)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		server.GracefulStop()
	}()
	fmt.Printf("%s %s serves %s on %s\n", driver.Name, driver.Version, store.Root(), endpoint)
	return server.Serve(listener)
}
