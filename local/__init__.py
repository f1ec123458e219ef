"""A real Kubernetes control plane on this machine, for the demo and for every test.

etcd, kube-apiserver, controller-manager, scheduler, the CSI and snapshot controllers and a folder
CSI driver, built once from Go modules; kwok plays the nodes. No Docker, no kubelet, no root.
The engine never imports this package, and this package never imports the engine.
"""
