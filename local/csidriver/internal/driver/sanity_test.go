package driver

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/kubernetes-csi/csi-test/v5/pkg/sanity"
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"lifeboat.local/cluster/csidriver/internal/folder"
)

// noNode answers what the suite asks while cleaning up. The driver itself has no node service:
// nothing mounts here.
type noNode struct {
	csi.UnimplementedNodeServer
}

func (noNode) NodeGetCapabilities(
	context.Context, *csi.NodeGetCapabilitiesRequest,
) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

func (noNode) NodeGetInfo(
	context.Context, *csi.NodeGetInfoRequest,
) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: "none"}, nil
}

func (noNode) NodeUnpublishVolume(
	context.Context, *csi.NodeUnpublishVolumeRequest,
) (*csi.NodeUnpublishVolumeResponse, error) {
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// slowly accepts a connection only after a while. The suite connects by "wait until the state
// is no longer what it is now", and hangs when the connection is ready before it asks.
type slowly struct {
	net.Listener
}

func (l slowly) Accept() (net.Conn, error) {
	connection, err := l.Listener.Accept()
	time.Sleep(time.Second)
	return connection, err
}

// TestSanity runs the CSI project's own suite against the driver over its socket. The specs of
// the node service, which does not exist, are the only ones left out by name.
func TestSanity(t *testing.T) {
	home, err := os.MkdirTemp("", "lb-") // t.TempDir() is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	store, err := folder.Open(filepath.Join(home, "root"))
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "unix://" + filepath.Join(home, "csi.sock")
	listener, err := Listen(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(store)
	csi.RegisterNodeServer(server, noNode{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(slowly{listener}) }()

	config := sanity.NewTestConfig()
	config.Address = endpoint
	config.TargetPath = filepath.Join(home, "target")
	config.StagingPath = filepath.Join(home, "staging")
	suite := sanity.GinkgoTest(&config)
	gomega.RegisterFailHandler(ginkgo.Fail)
	how, reporter := ginkgo.GinkgoConfiguration()
	how.SkipStrings = []string{"Node Service"}
	ginkgo.RunSpecs(t, "CSI driver", how, reporter)
	suite.Finalize()

	server.GracefulStop()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
}
