// Package driver speaks CSI for the folder store: the identity, controller and group controller services.
//
// There is no node service: nothing mounts these volumes, programs use the folders as they are.
package driver

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"lifeboat.local/cluster/csidriver/internal/folder"
)

// Name and Version are what GetPluginInfo reports; the sidecars refuse an empty version.
const (
	Name    = "folder.csi.lifeboat.dev"
	Version = "1.0.0"
)

// Listen opens the Unix socket of a CSI endpoint (unix:///path). A socket file left by a
// dead process is removed first.
func Listen(endpoint string) (net.Listener, error) {
	path, ok := strings.CutPrefix(endpoint, "unix://")
	if !ok {
		return nil, errors.New("the endpoint must be unix:///some/path, found " + endpoint)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}

// NewServer returns a gRPC server with every service registered.
func NewServer(store *folder.Store) *grpc.Server {
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, &identity{})
	csi.RegisterControllerServer(server, &controller{store: store})
	csi.RegisterGroupControllerServer(server, &groups{store: store})
	return server
}

type identity struct {
	csi.UnimplementedIdentityServer
}

func (*identity) GetPluginInfo(
	context.Context, *csi.GetPluginInfoRequest,
) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: Name, VendorVersion: Version}, nil
}

func (*identity) GetPluginCapabilities(
	context.Context, *csi.GetPluginCapabilitiesRequest,
) (*csi.GetPluginCapabilitiesResponse, error) {
	// No topology: claiming it would need CSINode objects that no kubelet writes here.
	response := &csi.GetPluginCapabilitiesResponse{}
	for _, kind := range []csi.PluginCapability_Service_Type{
		csi.PluginCapability_Service_CONTROLLER_SERVICE,
		csi.PluginCapability_Service_GROUP_CONTROLLER_SERVICE,
	} {
		service := &csi.PluginCapability_Service{Type: kind}
		response.Capabilities = append(response.Capabilities, &csi.PluginCapability{
			Type: &csi.PluginCapability_Service_{Service: service},
		})
	}
	return response, nil
}

func (*identity) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
}

// asStatus translates the store's errors into the codes that the CSI specification names.
func asStatus(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, folder.ErrNotFound):
		return status.Error(codes.NotFound, err.Error())
	case errors.Is(err, folder.ErrConflict):
		return status.Error(codes.AlreadyExists, err.Error())
	case errors.Is(err, folder.ErrTooSmall):
		return status.Error(codes.OutOfRange, err.Error())
	default:
		return status.Error(codes.Internal, err.Error())
	}
}
