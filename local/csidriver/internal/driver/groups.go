package driver

import (
	"context"
	"slices"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lifeboat.local/cluster/csidriver/internal/folder"
)

// groups is the group controller service: snapshots of several volumes, cut at one moment. Its
// members name their group, which in CSI says that none of them can be deleted alone.
type groups struct {
	csi.UnimplementedGroupControllerServer
	store *folder.Store
}

func (*groups) GroupControllerGetCapabilities(
	context.Context, *csi.GroupControllerGetCapabilitiesRequest,
) (*csi.GroupControllerGetCapabilitiesResponse, error) {
	rpc := &csi.GroupControllerServiceCapability_RPC{
		Type: csi.GroupControllerServiceCapability_RPC_CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT,
	}
	capability := &csi.GroupControllerServiceCapability{
		Type: &csi.GroupControllerServiceCapability_Rpc{Rpc: rpc},
	}
	return &csi.GroupControllerGetCapabilitiesResponse{
		Capabilities: []*csi.GroupControllerServiceCapability{capability},
	}, nil
}

func (g *groups) CreateVolumeGroupSnapshot(
	_ context.Context, request *csi.CreateVolumeGroupSnapshotRequest,
) (*csi.CreateVolumeGroupSnapshotResponse, error) {
	if request.GetName() == "" {
		return nil, invalid("name is missing")
	}
	if len(request.GetSourceVolumeIds()) == 0 {
		return nil, invalid("source_volume_ids is empty")
	}
	members, err := g.store.CreateGroup(
		request.GetName(), request.GetSourceVolumeIds(), time.Now().UTC())
	if err != nil {
		return nil, asStatus(err)
	}
	group := asGroup(folder.GroupOf(request.GetName()), members)
	return &csi.CreateVolumeGroupSnapshotResponse{GroupSnapshot: group}, nil
}

func (g *groups) DeleteVolumeGroupSnapshot(
	_ context.Context, request *csi.DeleteVolumeGroupSnapshotRequest,
) (*csi.DeleteVolumeGroupSnapshotResponse, error) {
	if request.GetGroupSnapshotId() == "" {
		return nil, invalid("group_snapshot_id is missing")
	}
	members, err := g.store.Group(request.GetGroupSnapshotId())
	if err != nil {
		members = nil // one that is not there is deleted already
	}
	for _, member := range members {
		if !slices.Contains(request.GetSnapshotIds(), member.ID) {
			return nil, invalid("snapshot_ids lacks " + member.ID)
		}
	}
	for _, member := range members {
		if err := g.store.DeleteSnapshot(member.ID); err != nil {
			return nil, asStatus(err)
		}
	}
	return &csi.DeleteVolumeGroupSnapshotResponse{}, nil
}

func (g *groups) GetVolumeGroupSnapshot(
	_ context.Context, request *csi.GetVolumeGroupSnapshotRequest,
) (*csi.GetVolumeGroupSnapshotResponse, error) {
	if request.GetGroupSnapshotId() == "" {
		return nil, invalid("group_snapshot_id is missing")
	}
	members, err := g.store.Group(request.GetGroupSnapshotId())
	if err != nil {
		return nil, asStatus(err)
	}
	group := asGroup(request.GetGroupSnapshotId(), members)
	return &csi.GetVolumeGroupSnapshotResponse{GroupSnapshot: group}, nil
}

func asGroup(id string, members []folder.Snapshot) *csi.VolumeGroupSnapshot {
	group := &csi.VolumeGroupSnapshot{GroupSnapshotId: id, ReadyToUse: true}
	for _, member := range members {
		group.Snapshots = append(group.Snapshots, asCSI(member))
		group.CreationTime = timestamppb.New(member.Created)
	}
	return group
}
