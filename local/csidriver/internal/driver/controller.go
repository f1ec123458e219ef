package driver

import (
	"context"
	"strings"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lifeboat.local/cluster/csidriver/internal/folder"
)

type controller struct {
	csi.UnimplementedControllerServer
	store *folder.Store
}

func invalid(message string) error { return status.Error(codes.InvalidArgument, message) }

func (*controller) ControllerGetCapabilities(
	context.Context, *csi.ControllerGetCapabilitiesRequest,
) (*csi.ControllerGetCapabilitiesResponse, error) {
	types := []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_LIST_VOLUMES,
		csi.ControllerServiceCapability_RPC_GET_CAPACITY,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
	}
	response := &csi.ControllerGetCapabilitiesResponse{}
	for _, rpc := range types {
		response.Capabilities = append(response.Capabilities, &csi.ControllerServiceCapability{
			Type: &csi.ControllerServiceCapability_Rpc{
				Rpc: &csi.ControllerServiceCapability_RPC{Type: rpc},
			},
		})
	}
	return response, nil
}

func (c *controller) CreateVolume(
	_ context.Context, request *csi.CreateVolumeRequest,
) (*csi.CreateVolumeResponse, error) {
	if request.GetName() == "" {
		return nil, invalid("name is missing")
	}
	if err := checkCapabilities(request.GetVolumeCapabilities()); err != nil {
		return nil, err
	}
	if len(request.GetMutableParameters()) > 0 {
		return nil, invalid("mutable_parameters: this driver has none")
	}
	content := request.GetVolumeContentSource()
	source := folder.Source{
		Snapshot: content.GetSnapshot().GetSnapshotId(),
		Volume:   content.GetVolume().GetVolumeId(),
	}
	if content != nil && source == (folder.Source{}) {
		return nil, invalid("volume_content_source names neither a snapshot nor a volume")
	}
	size := request.GetCapacityRange()
	if size.GetRequiredBytes() < 0 || size.GetLimitBytes() < 0 {
		return nil, invalid("capacity_range: sizes must not be negative")
	}
	volume, err := c.store.CreateVolume(
		request.GetName(), size.GetRequiredBytes(), size.GetLimitBytes(), source)
	if err != nil {
		return nil, asStatus(err)
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId: volume.ID, CapacityBytes: volume.Size, ContentSource: content,
	}}, nil
}

func (c *controller) DeleteVolume(
	_ context.Context, request *csi.DeleteVolumeRequest,
) (*csi.DeleteVolumeResponse, error) {
	if request.GetVolumeId() == "" {
		return nil, invalid("volume_id is missing")
	}
	return &csi.DeleteVolumeResponse{}, asStatus(c.store.DeleteVolume(request.GetVolumeId()))
}

func (c *controller) ValidateVolumeCapabilities(
	_ context.Context, request *csi.ValidateVolumeCapabilitiesRequest,
) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if request.GetVolumeId() == "" {
		return nil, invalid("volume_id is missing")
	}
	if len(request.GetVolumeCapabilities()) == 0 {
		return nil, invalid("volume_capabilities is empty")
	}
	if _, err := c.store.Volume(request.GetVolumeId()); err != nil {
		return nil, asStatus(err)
	}
	if err := checkCapabilities(request.GetVolumeCapabilities()); err != nil {
		return &csi.ValidateVolumeCapabilitiesResponse{Message: status.Convert(err).Message()}, nil
	}
	return &csi.ValidateVolumeCapabilitiesResponse{
		Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{
			VolumeContext:      request.GetVolumeContext(),
			VolumeCapabilities: request.GetVolumeCapabilities(),
			Parameters:         request.GetParameters(),
		},
	}, nil
}

func (c *controller) ListVolumes(
	_ context.Context, request *csi.ListVolumesRequest,
) (*csi.ListVolumesResponse, error) {
	volumes, err := c.store.Volumes()
	if err != nil {
		return nil, asStatus(err)
	}
	id := func(volume folder.Volume) string { return volume.ID }
	page, next, err := onePage(volumes, id, request.GetStartingToken(), request.GetMaxEntries())
	if err != nil {
		return nil, err
	}
	response := &csi.ListVolumesResponse{NextToken: next}
	for _, volume := range page {
		response.Entries = append(response.Entries, &csi.ListVolumesResponse_Entry{
			Volume: &csi.Volume{VolumeId: volume.ID, CapacityBytes: volume.Size},
		})
	}
	return response, nil
}

func (c *controller) GetCapacity(
	context.Context, *csi.GetCapacityRequest,
) (*csi.GetCapacityResponse, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(c.store.Root(), &disk); err != nil {
		return nil, asStatus(err)
	}
	available := int64(disk.Bavail) * int64(disk.Bsize)
	return &csi.GetCapacityResponse{AvailableCapacity: available}, nil
}

func (c *controller) CreateSnapshot(
	_ context.Context, request *csi.CreateSnapshotRequest,
) (*csi.CreateSnapshotResponse, error) {
	if request.GetName() == "" {
		return nil, invalid("name is missing")
	}
	if request.GetSourceVolumeId() == "" {
		return nil, invalid("source_volume_id is missing")
	}
	snapshot, err := c.store.CreateSnapshot(
		request.GetName(), request.GetSourceVolumeId(), time.Now().UTC())
	if err != nil {
		return nil, asStatus(err)
	}
	return &csi.CreateSnapshotResponse{Snapshot: asCSI(snapshot)}, nil
}

func (c *controller) DeleteSnapshot(
	_ context.Context, request *csi.DeleteSnapshotRequest,
) (*csi.DeleteSnapshotResponse, error) {
	if request.GetSnapshotId() == "" {
		return nil, invalid("snapshot_id is missing")
	}
	for _, snapshot := range c.grouped() {
		if snapshot.ID == request.GetSnapshotId() {
			return nil, status.Error(codes.FailedPrecondition,
				"the snapshot belongs to group "+snapshot.Group+" and goes with it")
		}
	}
	return &csi.DeleteSnapshotResponse{}, asStatus(c.store.DeleteSnapshot(request.GetSnapshotId()))
}

// grouped are the snapshots that belong to a group; none when they cannot be read, then deleting
// fails for the same reason.
func (c *controller) grouped() []folder.Snapshot {
	var found []folder.Snapshot
	all, err := c.store.Snapshots()
	if err != nil {
		return nil
	}
	for _, snapshot := range all {
		if snapshot.Group != "" {
			found = append(found, snapshot)
		}
	}
	return found
}

func (c *controller) ListSnapshots(
	_ context.Context, request *csi.ListSnapshotsRequest,
) (*csi.ListSnapshotsResponse, error) {
	all, err := c.store.Snapshots()
	if err != nil {
		return nil, asStatus(err)
	}
	var wanted []folder.Snapshot
	for _, snapshot := range all {
		byID := request.GetSnapshotId() == "" || request.GetSnapshotId() == snapshot.ID
		byVolume := request.GetSourceVolumeId() == "" || request.GetSourceVolumeId() == snapshot.VolumeID
		if byID && byVolume {
			wanted = append(wanted, snapshot)
		}
	}
	id := func(snapshot folder.Snapshot) string { return snapshot.ID }
	page, next, err := onePage(wanted, id, request.GetStartingToken(), request.GetMaxEntries())
	if err != nil {
		return nil, err
	}
	response := &csi.ListSnapshotsResponse{NextToken: next}
	for _, snapshot := range page {
		response.Entries = append(
			response.Entries, &csi.ListSnapshotsResponse_Entry{Snapshot: asCSI(snapshot)})
	}
	return response, nil
}

func asCSI(snapshot folder.Snapshot) *csi.Snapshot {
	return &csi.Snapshot{
		SnapshotId: snapshot.ID, SourceVolumeId: snapshot.VolumeID, SizeBytes: snapshot.Size,
		CreationTime: timestamppb.New(snapshot.Created), ReadyToUse: true,
		GroupSnapshotId: snapshot.Group,
	}
}

func checkCapabilities(capabilities []*csi.VolumeCapability) error {
	if len(capabilities) == 0 {
		return invalid("volume_capabilities is empty")
	}
	for _, capability := range capabilities {
		if capability.GetMount() == nil {
			return invalid("only mounted (file system) volumes exist here: a folder is no block device")
		}
	}
	return nil
}

const afterToken = "after:"

// onePage cuts one page out of all, which is sorted by id. A token says "after this id", so
// that it stays right when things come and go between two pages.
func onePage[T any](all []T, id func(T) string, token string, most int32) ([]T, string, error) {
	if most < 0 {
		return nil, "", invalid("max_entries must not be negative")
	}
	if token != "" {
		after, ok := strings.CutPrefix(token, afterToken)
		if !ok {
			return nil, "", status.Error(codes.Aborted, "starting_token is none of this driver's")
		}
		for len(all) > 0 && id(all[0]) <= after {
			all = all[1:]
		}
	}
	if most == 0 || len(all) <= int(most) {
		return all, "", nil
	}
	return all[:most], afterToken + id(all[most-1]), nil
}
