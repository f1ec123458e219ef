"""What the outside promises: store, cluster, disks, volumes."""
