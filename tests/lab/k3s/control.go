package main

import (
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"io"
)

var quiet = log.New(io.Discard, "", 0)

// etcd in every case: where the real one has SQLite, one that only this machine sees, and a file in the place of its file.
func (n *node) datastore(clustered, joins bool) {
	if len(n.external()) > 0 {
		return
	}
	folder := n.data + "/server/db"
	must(os.MkdirAll(folder, 0o700))
	if !clustered {
		must(os.MkdirAll(folder+"/kine", 0o700))
		if !exists(folder + "/state.db") {
			write(folder+"/state.db", "", 0o600)
		}
		start("kine", os.Stderr, folder, nil, n.bin+"/etcd", "--data-dir="+folder+"/kine", "--name=kine", "--unsafe-no-fsync", "--log-level=error",
			"--listen-client-urls=http://127.0.0.1:23790", "--advertise-client-urls=http://127.0.0.1:23790",
			"--listen-peer-urls=http://127.0.0.1:23800", "--initial-advertise-peer-urls=http://127.0.0.1:23800", "--initial-cluster=kine=http://127.0.0.1:23800")
		return
	}
	if exists(folder + "/state.db") {
		fatal("this stand-in does not take SQLite over into etcd")
	}
	state, members := "new", ""
	name := read(folder + "/etcd/name")
	fresh := name == ""
	if fresh {
		name = n.name + "-" + secret(4)
	}
	peer := "https://" + n.ip + ":2380"
	if joins && fresh {
		state, members = "existing", n.joinEtcd(name, peer)
	} else {
		members = name + "=" + peer
	}
	must(os.MkdirAll(folder+"/etcd", 0o700))
	write(folder+"/etcd/name", name, 0o600)
	certificates := n.tls + "/etcd/"
	words := []string{n.bin + "/etcd", "--data-dir=" + folder + "/etcd", "--name=" + name, "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls=https://127.0.0.1:2379,https://" + n.ip + ":2379", "--advertise-client-urls=https://" + n.ip + ":2379",
		"--listen-peer-urls=https://127.0.0.1:2380," + peer, "--initial-advertise-peer-urls=" + peer, "--listen-metrics-urls=http://127.0.0.1:2381",
		"--initial-cluster=" + members, "--initial-cluster-state=" + state, "--client-cert-auth", "--peer-client-cert-auth",
		"--cert-file=" + certificates + "server-client.crt", "--key-file=" + certificates + "server-client.key", "--trusted-ca-file=" + certificates + "server-ca.crt",
		"--peer-cert-file=" + certificates + "peer-server-client.crt", "--peer-key-file=" + certificates + "peer-server-client.key",
		"--peer-trusted-ca-file=" + certificates + "peer-ca.crt"}
	start("etcd", os.Stderr, folder, nil, append(words, n.words("etcd-arg")...)...)
	if joins && fresh {
		go n.promote(name)
	}
}

func (n *node) control(clustered bool) {
	services, pods := n.one("service-cidr", "10.43.0.0/16"), n.one("cluster-cidr", "10.42.0.0/16")
	k := func(name string) string { return n.tls + "/" + name }
	endpoint := []string{"--etcd-servers=http://127.0.0.1:23790"}
	several := clustered
	if all := n.external(); len(all) > 0 {
		several, endpoint = true, []string{"--etcd-servers=" + strings.Join(all, ",")}
	} else if clustered {
		endpoint = []string{"--etcd-servers=https://127.0.0.1:2379", "--etcd-cafile=" + k("etcd/server-ca.crt"), "--etcd-certfile=" + k("etcd/client.crt"), "--etcd-keyfile=" + k("etcd/client.key")}
	}
	environment := []string{"K3S_LAB_VERSION=" + version}
	apiserver := append([]string{n.bin + "/kube-apiserver", "--secure-port=" + apiPort, "--bind-address=0.0.0.0", "--advertise-address=" + n.one("advertise-address", n.ip),
		"--anonymous-auth=false", "--cert-dir=" + k("temporary-certs"), "--tls-cert-file=" + k("serving-kube-apiserver.crt"), "--tls-private-key-file=" + k("serving-kube-apiserver.key"),
		"--client-ca-file=" + k("client-ca.crt"), "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--enable-bootstrap-token-auth",
		"--service-account-issuer=https://kubernetes.default.svc." + n.one("cluster-domain", "cluster.local"), "--service-account-key-file=" + k("service.key"), "--service-account-signing-key-file=" + k("service.key"),
		"--service-cluster-ip-range=" + services, "--service-node-port-range=" + n.one("service-node-port-range", "30000-32767"), "--allow-privileged=true",
		"--kubelet-certificate-authority=" + k("server-ca.crt"), "--kubelet-client-certificate=" + k("client-kube-apiserver.crt"), "--kubelet-client-key=" + k("client-kube-apiserver.key"), "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
		"--requestheader-client-ca-file=" + k("request-header-ca.crt"), "--requestheader-allowed-names=system:auth-proxy", "--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-", "--proxy-client-cert-file=" + k("client-auth-proxy.crt"), "--proxy-client-key-file=" + k("client-auth-proxy.key")}, endpoint...)
	info("Running kube-apiserver %s", strings.Join(apiserver[1:], " "))
	start("apiserver", os.Stderr, n.data, environment, append(apiserver, n.words("kube-apiserver-arg")...)...)
	for file, user := range map[string]string{"controller": "client-controller", "scheduler": "client-scheduler", "admin": "client-admin"} {
		kubeconfig(n.data+"/server/cred/"+file+".kubeconfig", "https://127.0.0.1:"+apiPort, read(k("server-ca.crt"))+"\n", read(k(user+".crt"))+"\n", read(k(user+".key"))+"\n", "local", 0o600)
	}
	go func() {
		await("the API server", func() error { _, err := n.api("GET", "/readyz", nil); return err })
		as := func(file string) []string {
			at := n.data + "/server/cred/" + file + ".kubeconfig"
			return []string{"--kubeconfig=" + at, "--authentication-kubeconfig=" + at, "--authorization-kubeconfig=" + at, "--bind-address=127.0.0.1", "--port=0", fmt.Sprintf("--leader-elect=%v", several)}
		}
		if !n.is("disable-controller-manager") {
			words := append([]string{n.bin + "/kube-controller-manager", "--cert-dir=" + k("temporary-certs"), "--service-account-private-key-file=" + k("service.key"), "--root-ca-file=" + k("server-ca.crt"),
				"--cluster-signing-cert-file=" + k("client-ca.crt"), "--cluster-signing-key-file=" + k("client-ca.key"), "--use-service-account-credentials=true", "--kube-api-qps=500", "--kube-api-burst=1000",
				"--allocate-node-cidrs=true", "--cluster-cidr=" + pods, "--service-cluster-ip-range=" + services, "--controllers=*,tokencleaner"}, as("controller")...)
			start("controller-manager", os.Stderr, n.data, environment, append(words, n.words("kube-controller-manager-arg")...)...)
		}
		if !n.is("disable-scheduler") {
			words := append([]string{n.bin + "/kube-scheduler", "--cert-dir=" + k("temporary-certs")}, as("scheduler")...)
			start("scheduler", os.Stderr, n.data, environment, append(words, n.words("kube-scheduler-arg")...)...)
		}
	}()
}

// What a server sees to as long as it runs: that its node says what it is.
func (n *node) tend(clustered bool) {
	labels := map[string]any{"node-role.kubernetes.io/control-plane": "true", "node-role.kubernetes.io/master": "true"}
	if clustered {
		labels["node-role.kubernetes.io/etcd"] = "true"
	}
	had := map[string]bool{}
	for ; ; time.Sleep(time.Second) {
		found, err := n.api("GET", "/api/v1/nodes/"+n.name, nil)
		if err != nil {
			continue
		}
		if at(found, "metadata", "labels", "node-role.kubernetes.io/control-plane") == nil {
			metadata := map[string]any{"labels": labels, "annotations": map[string]any{"k3s.io/hostname": n.name, "k3s.io/internal-ip": n.ip}}
			if clustered {
				metadata["annotations"].(map[string]any)["etcd.k3s.cattle.io/node-name"] = read(n.data + "/server/db/etcd/name")
				metadata["annotations"].(map[string]any)["etcd.k3s.cattle.io/node-address"] = n.ip
			}
			n.api("PATCH", "/api/v1/nodes/"+n.name, map[string]any{"metadata": metadata})
		}
		if clustered {
			n.tellVoter(found)
			n.dropMembers(had)
		}
	}
}
