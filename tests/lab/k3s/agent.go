package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

func agent(args []string) {
	n := newNode("agent", settings("agent", args))
	server, token := n.one("server", ""), n.tokenOf("token")
	if server == "" {
		fatal("--server is required")
	}
	if token == "" {
		fatal("--token is required")
	}
	n.agent(server, token)
	await("the node", func() error {
		_, err := call(n.asKubelet(), "GET", n.way()+"/api/v1/nodes/"+n.name, nil)
		return err
	})
	info("k3s agent is up and running")
	ready()
	select {}
}

// A client that trusts the authority of a server: the one that the token names, or any where it names none.
func trust(server, token string) *http.Client {
	if at, err := url.Parse(server); err != nil || at.Scheme != "https" || at.Host == "" {
		fatal("invalid server URL %q: it must begin with https://", server)
	}
	pin, _, _ := parseToken(token)
	blind := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	var authority []byte
	await("the server", func() error {
		answer, err := blind.Get(server + "/cacerts")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		authority, err = io.ReadAll(answer.Body)
		return err
	})
	if pin == "" {
		warn("Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash.")
	} else if found := hash(authority); found != pin {
		fatal("token CA hash does not match the Cluster CA certificate hash: %s != %s", pin, found)
	}
	file, err := os.CreateTemp("", "k3s")
	must(err)
	defer os.Remove(file.Name())
	_, err = file.Write(authority)
	must(err)
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool(file.Name())}}}
}

// What a node gets from its server.
type equipment struct {
	Files    map[string]string
	Settings map[string]string
}

// The server's side: who comes under a name that is taken must know its password.
func (n *node) equip(out http.ResponseWriter, request *http.Request) {
	var asked struct{ Name, Password string }
	if err := json.NewDecoder(request.Body).Decode(&asked); err != nil || asked.Name == "" || strings.Contains(asked.Name, "/") {
		http.Error(out, "no name", http.StatusBadRequest)
		return
	}
	if !n.up.Load() {
		http.Error(out, "starting", http.StatusServiceUnavailable)
		return
	}
	secrets, name := "/api/v1/namespaces/kube-system/secrets", asked.Name+".node-password.k3s"
	sum := base64Of(hash([]byte(asked.Password)))
	found, err := n.api("GET", secrets+"/"+name, nil)
	switch {
	case err != nil && at(found, "code") == float64(404):
		if _, err := n.api("POST", secrets, map[string]any{"metadata": map[string]any{"name": name}, "data": map[string]any{"hash": sum}}); err != nil {
			http.Error(out, err.Error(), http.StatusServiceUnavailable)
			return
		}
	case err != nil:
		http.Error(out, err.Error(), http.StatusServiceUnavailable)
		return
	case at(found, "data", "hash") != sum:
		http.Error(out, "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server node-passwd entry", http.StatusForbidden)
		return
	}
	host, _, _ := net.SplitHostPort(request.RemoteAddr)
	given := equipment{Files: map[string]string{}, Settings: map[string]string{
		"cluster-cidr": n.one("cluster-cidr", "10.42.0.0/16"), "cluster-dns": n.one("cluster-dns", n.service(10)), "cluster-domain": n.one("cluster-domain", "cluster.local"),
	}}
	for file, who := range map[string][]string{"client-kubelet": {"client-ca", "system:node:" + asked.Name, "system:nodes"}, "client-kube-proxy": {"client-ca", "system:kube-proxy"}} {
		given.Files[file+".crt"], given.Files[file+".key"] = sign(n.tls, who[0], who[1], who[2:], nil)
	}
	given.Files["serving-kubelet.crt"], given.Files["serving-kubelet.key"] = sign(n.tls, "server-ca", asked.Name, nil, []string{asked.Name, "localhost", "127.0.0.1", host, request.Header.Get("k3s-Node-IP")})
	for _, file := range []string{"server-ca.crt", "client-ca.crt"} {
		given.Files[file] = read(n.tls+"/"+file) + "\n"
	}
	json.NewEncoder(out).Encode(given)
}

func (n *node) obtain(server, token string) equipment {
	if !exists("/etc/rancher/node/password") {
		write("/etc/rancher/node/password", secret(16)+"\n", 0o600)
	}
	_, user, password := parseToken(token)
	if user == "" {
		user = "node"
	}
	client := trust(server, token)
	body, _ := json.Marshal(map[string]string{"Name": n.name, "Password": read("/etc/rancher/node/password")})
	var given equipment
	await("a certificate of the server", func() error {
		request, err := http.NewRequest("POST", server+"/v1-k3s/agent", strings.NewReader(string(body)))
		must(err)
		request.SetBasicAuth(user, password)
		request.Header.Set("k3s-Node-IP", n.ip)
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		switch answer.StatusCode {
		case http.StatusOK:
			return json.Unmarshal(text, &given)
		case http.StatusUnauthorized:
			return fmt.Errorf("failed to get CA certs: %s/v1-k3s/agent: 401 Unauthorized: not authorized", server)
		default:
			return fmt.Errorf("%s: %s", answer.Status, strings.TrimSpace(string(text)))
		}
	})
	for name, text := range given.Files {
		mode := os.FileMode(0o600)
		if strings.HasSuffix(name, ".crt") {
			mode = 0o644
		}
		write(n.data+"/agent/"+filepath.Base(name), text, mode)
	}
	return given
}

// Where this node's parts reach the API: on a server itself, else through the node's own way to all servers.
func (n *node) way() string {
	if n.tls != "" && exists(n.tls+"/server-ca.crt") {
		return "https://127.0.0.1:" + n.port()
	}
	return "https://127.0.0.1:" + n.one("lb-server-port", "6444")
}

func (n *node) asKubelet() *http.Client {
	return n.client(n.data+"/agent/server-ca.crt", n.data+"/agent/client-kubelet")
}

// Starts what a node needs to run pods.
func (n *node) agent(server, token string) {
	given := n.obtain(server, token)
	at, _ := url.Parse(server)
	balance := &balancer{all: []string{at.Host}}
	if !strings.HasSuffix(n.way(), ":"+n.port()) {
		listener, err := net.Listen("tcp", "127.0.0.1:"+n.one("lb-server-port", "6444"))
		must(err)
		info("Running load balancer k3s-agent-load-balancer %s -> %v", listener.Addr(), balance.all)
		go balance.serve(listener)
	}
	agent := n.data + "/agent/"
	for _, name := range []string{"kubelet", "kube-proxy"} {
		kubeconfig(agent+name+".kubeconfig", n.way(), given.Files["server-ca.crt"], given.Files["client-"+name+".crt"], given.Files["client-"+name+".key"], "local", 0o600)
	}
	for key, value := range map[string]string{"ipv4/ip_forward": "1", "ipv4/conf/all/forwarding": "1", "bridge/bridge-nf-call-iptables": "1"} {
		if err := os.WriteFile("/proc/sys/net/"+key, []byte(value), 0o644); err != nil {
			warn("Set sysctl 'net/%s' to %s: %v", key, value, err)
		}
	}
	// Asked by the kubelet, which takes no answer for a cloud; said at once, it need not wait for it.
	runs("ip", "route", "replace", "unreachable", "169.254.0.0/16")
	n.containerd()
	labels := append([]string{"node.kubernetes.io/instance-type=k3s"}, n.list("node-label")...)
	write(agent+"etc/kubelet.yaml", fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %[1]sclient-ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: %[1]sserving-kubelet.crt
tlsPrivateKeyFile: %[1]sserving-kubelet.key
cgroupDriver: cgroupfs
failSwapOn: false
nodeStatusUpdateFrequency: 1s
clusterDomain: %[2]s
clusterDNS: [%[3]s]
resolvConf: %[4]s
staticPodPath: %[1]spod-manifests
volumePluginDir: %[1]svolumes
evictionHard: {memory.available: 50Mi, nodefs.available: 1%%, imagefs.available: 1%%}
enforceNodeAllocatable: [pods]
serializeImagePulls: false
`, agent, given.Settings["cluster-domain"], given.Settings["cluster-dns"], n.one("resolv-conf", "/etc/resolv.conf")), 0o600)
	must(os.MkdirAll(agent+"pod-manifests", 0o700))
	environment := []string{"K3S_LAB_VERSION=" + version, "AWS_EC2_METADATA_DISABLED=true"}
	socket := "unix:///run/k3s/containerd/containerd.sock"
	kubelet := []string{n.bin + "/kubelet", "--config=" + agent + "etc/kubelet.yaml", "--kubeconfig=" + agent + "kubelet.kubeconfig", "--hostname-override=" + n.name, "--node-ip=" + n.ip, "--cert-dir=" + agent + "pki",
		"--container-runtime=remote", "--containerd=/run/k3s/containerd/containerd.sock", "--container-runtime-endpoint=" + socket, "--node-labels=" + strings.Join(labels, ",")}
	if taints := n.list("node-taint"); len(taints) > 0 {
		kubelet = append(kubelet, "--register-with-taints="+strings.Join(taints, ","))
	}
	info("Running kubelet %s", strings.Join(kubelet[1:], " "))
	start("kubelet", os.Stderr, n.data, environment, append(kubelet, n.words("kubelet-arg")...)...)
	if !n.is("disable-kube-proxy") {
		start("kube-proxy", os.Stderr, n.data, environment, append([]string{n.bin + "/kube-proxy", "--kubeconfig=" + agent + "kube-proxy.kubeconfig", "--cluster-cidr=" + given.Settings["cluster-cidr"], "--proxy-mode=iptables",
			"--hostname-override=" + n.name, "--conntrack-max-per-core=0", "--conntrack-min=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0", "--healthz-bind-address=127.0.0.1"}, n.words("kube-proxy-arg")...)...)
	}
	go n.network(balance)
}

// Gives the pods of this node its network, routes to those of others, and tells the balancer of the servers.
func (n *node) network(balance *balancer) {
	routes, conflist := map[string]string{}, n.data+"/agent/etc/cni/net.d/10-flannel.conflist"
	told := false
	for ; ; time.Sleep(time.Second) {
		found, err := call(n.asKubelet(), "GET", n.way()+"/api/v1/nodes", nil)
		if err != nil {
			continue
		}
		nodes, _ := found["items"].([]any)
		var servers []string
		for _, each := range nodes {
			name, _ := at(each, "metadata", "name").(string)
			pods, _ := at(each, "spec", "podCIDR").(string)
			address := ""
			addresses, _ := at(each, "status", "addresses").([]any)
			for _, one := range addresses {
				if at(one, "type") == "InternalIP" {
					address, _ = at(one, "address").(string)
				}
			}
			if at(each, "metadata", "labels", "node-role.kubernetes.io/control-plane") != nil && address != "" {
				servers = append(servers, address+":6443")
			}
			switch {
			case pods == "" || address == "":
			case name != n.name && routes[pods] != address:
				if said, err := runs("ip", "route", "replace", pods, "via", address); err != nil {
					warn("flannel: no route to %s: %s", pods, said)
					continue
				}
				routes[pods] = address
			case name == n.name && !exists(conflist):
				write(conflist, fmt.Sprintf(`{"cniVersion":"0.4.0","name":"cbr0","plugins":[{"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":false,"hairpinMode":true,"ipam":{"type":"host-local","ranges":[[{"subnet":%q}]],"routes":[{"dst":"0.0.0.0/0"}]}},{"type":"portmap","capabilities":{"portMappings":true}}]}`, pods), 0o600)
			}
			if name == n.name && !told {
				arguments, _ := json.Marshal(n.arguments())
				_, err := call(n.asKubelet(), "PATCH", n.way()+"/api/v1/nodes/"+n.name, map[string]any{"metadata": map[string]any{"annotations": map[string]any{
					"k3s.io/node-args": string(arguments), "k3s.io/node-config-hash": strings.ToUpper(hash(arguments)), "k3s.io/hostname": n.name, "k3s.io/internal-ip": n.ip}}})
				told = err == nil
			}
		}
		balance.set(servers)
	}
}

// The settings, as the node tells them: without what is secret.
func (n *node) arguments() []string {
	all := []string{os.Args[1]}
	for name, values := range n.flags {
		for _, value := range values {
			if strings.Contains(name, "token") || strings.Contains(name, "secret") || name == "datastore-endpoint" {
				value = "********"
			}
			all = append(all, "--"+name, value)
		}
	}
	return all
}

// Takes connections to whichever server answers.
type balancer struct {
	lock sync.Mutex
	all  []string
}

func (b *balancer) set(servers []string) {
	if len(servers) > 0 {
		b.lock.Lock()
		b.all = servers
		b.lock.Unlock()
	}
}

func (b *balancer) serve(listener net.Listener) {
	for {
		near, err := listener.Accept()
		must(err)
		go func() {
			defer near.Close()
			b.lock.Lock()
			all := append([]string{}, b.all...)
			b.lock.Unlock()
			for _, server := range all {
				far, err := net.DialTimeout("tcp", server, 2*time.Second)
				if err != nil {
					continue
				}
				defer far.Close()
				done := make(chan bool, 2)
				go func() { io.Copy(far, near); done <- true }()
				go func() { io.Copy(near, far); done <- true }()
				<-done
				return
			}
		}()
	}
}
