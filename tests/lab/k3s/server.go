package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The port of the real API server; the supervisor on 6443 passes on to it.
const apiPort = "6444"

type node struct {
	flags
	data, tls, name, ip, bin string
	// As a server: its own password, that of agents, and whether its controllers run.
	password, agentPassword string
	up                      atomic.Bool
}

func newNode(command string, flags flags) *node {
	if os.Geteuid() != 0 {
		fatal("must run as root unless --rootless is specified")
	}
	if !exists(inside + "/bin/kubernetes") {
		fatal("this stand-in needs %s", inside)
	}
	host, err := os.Hostname()
	must(err)
	n := &node{flags: flags, data: flags.one("data-dir", "/var/lib/rancher/k3s")}
	n.tls, n.bin = n.data+"/server/tls", n.data+"/data/current/bin"
	n.name = strings.ToLower(flags.one("node-name", host))
	if n.ip = flags.one("node-ip", ""); n.ip == "" {
		n.ip = address()
	}
	info("Starting k3s %s (%s)", version, commit)
	must(os.MkdirAll(n.data, 0o755))
	n.unpack()
	os.Setenv("PATH", n.bin+":"+os.Getenv("PATH")+":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	endOnSignal()
	return n
}

// The address by which others reach this machine: that of its default route.
func address() string {
	socket, err := net.Dial("udp", "192.0.2.1:9")
	if err != nil {
		fatal("unable to select an IP from default routes: %v", err)
	}
	defer socket.Close()
	return socket.LocalAddr().(*net.UDPAddr).IP.String()
}

// The programs, where the real one unpacks its own.
func (n *node) unpack() {
	build := n.data + "/data/" + hash([]byte(version+commit))
	if exists(build + "/bin/kubelet") {
		return
	}
	info("Acquiring lock file %s/data/.lock", n.data)
	must(os.MkdirAll(build+"/bin/aux", 0o755))
	for _, folder := range []string{"bin", "root/usr/bin", "root/usr/sbin", "root/usr/lib/cni"} {
		programs, err := os.ReadDir(inside + "/" + folder)
		must(err)
		for _, program := range programs {
			at := build + "/bin/" + program.Name()
			os.Remove(at)
			if program.Name() == "containerd-shim-runc-v2" {
				// Known by its path to who looks for what containers left: it must run from here.
				text, err := os.ReadFile(inside + "/" + folder + "/" + program.Name())
				must(err)
				write(at, string(text), 0o755)
				continue
			}
			must(os.Symlink(inside+"/"+folder+"/"+program.Name(), at))
		}
	}
	if last, err := os.Readlink(n.data + "/data/current"); err == nil {
		os.Remove(n.data + "/data/previous")
		os.Symlink(last, n.data+"/data/previous")
	}
	os.Remove(n.data + "/data/current")
	must(os.Symlink(build, n.data+"/data/current"))
}

// A value that may stand in a file of its own.
func (n *node) tokenOf(name string) string {
	if file := n.one(name+"-file", ""); file != "" {
		if !exists(file) {
			fatal("open %s: no such file or directory", file)
		}
		return read(file)
	}
	return n.one(name, "")
}

func server(args []string) {
	n := newNode("server", settings("server", args))
	if n.is("cluster-reset") {
		fatal("this stand-in does not know cluster-reset")
	}
	clustered := exists(n.data+"/server/db/etcd/name") || n.is("cluster-init") || n.one("server", "") != ""
	joins := n.one("server", "") != "" && !exists(n.data+"/server/db/etcd/name")
	given := n.tokenOf("token")
	pin, _, password := parseToken(given)
	if joins {
		if given == "" {
			fatal("--token is required to join a cluster")
		}
		n.takeOver(n.one("server", ""), given)
	}
	must(os.MkdirAll(n.tls+"/etcd", 0o700))
	external := len(n.external()) > 0
	if external {
		if clustered && !joins {
			fatal("--cluster-init and --datastore-endpoint exclude each other")
		}
		clustered, joins = false, false
		if _, _, kept := parseToken(read(n.data + "/server/token")); password == "" && kept != "" {
			password = kept
		} else if password == "" {
			password = secret(16)
		}
		n.bootstrap(password)
	}
	first := !exists(n.tls + "/server-ca.crt")
	if first && pin != "" {
		fatal("failed to normalize server token: this cluster has no CA yet, and the token has the hash of one")
	}
	makeAuthorities(n.tls)
	n.keepTokens(password)
	n.certificates()
	listener, err := net.Listen("tcp", net.JoinHostPort(n.one("bind-address", ""), n.port()))
	must(err)
	go n.supervise(listener)
	n.datastore(clustered, joins)
	n.control(clustered)
	await("the API server", func() error { _, err := n.api("GET", "/readyz", nil); return err })
	n.admin()
	n.up.Store(true)
	info("k3s is up and running")
	ready()
	go n.tend(clustered)
	go n.storage()
	go n.dns()
	if !n.is("disable-agent") {
		n.agent("https://127.0.0.1:"+n.port(), fullToken(n.tls, "node", n.agentPassword))
	}
	select {}
}

func (n *node) port() string { return n.one("https-listen-port", "6443") }

// The tokens' files. A password that differs from the one that the data were made with is an error, not a new one.
func (n *node) keepTokens(password string) {
	kept := read(n.data + "/server/token")
	_, _, before := parseToken(kept)
	switch {
	case kept == "" && password == "":
		password = secret(16)
	case kept != "" && password == "":
		password = before
	case kept != "" && password != before:
		fatal("starting kubernetes: preparing server: bootstrap data already found and encrypted with different token")
	}
	n.password, n.agentPassword = password, password
	write(n.data+"/server/token", fullToken(n.tls, "server", password)+"\n", 0o600)
	os.Remove(n.data + "/server/node-token")
	must(os.Symlink(n.data+"/server/token", n.data+"/server/node-token"))
	agents := n.tokenOf("agent-token")
	os.Remove(n.data + "/server/agent-token")
	if agents == "" {
		must(os.Symlink(n.data+"/server/token", n.data+"/server/agent-token"))
		return
	}
	_, _, n.agentPassword = parseToken(agents)
	write(n.data+"/server/agent-token", fullToken(n.tls, "node", n.agentPassword)+"\n", 0o600)
}

func (n *node) certificates() {
	names := append([]string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + n.one("cluster-domain", "cluster.local"),
		"127.0.0.1", "::1", n.service(1), n.ip, n.name}, n.list("tls-san")...)
	names = append(append(names, n.list("node-external-ip")...), n.one("advertise-address", ""))
	signed(n.tls, "server-ca", "serving-kube-apiserver", "kube-apiserver", nil, names)
	masters := []string{"system:masters"}
	for file, name := range map[string]string{"client-admin": "system:admin", "client-kube-apiserver": "kube-apiserver", "client-k3s-controller": "system:k3s-controller"} {
		signed(n.tls, "client-ca", file, name, masters, nil)
	}
	signed(n.tls, "client-ca", "client-controller", "system:kube-controller-manager", nil, nil)
	signed(n.tls, "client-ca", "client-scheduler", "system:kube-scheduler", nil, nil)
	signed(n.tls, "request-header-ca", "client-auth-proxy", "system:auth-proxy", nil, nil)
	own := []string{"localhost", "127.0.0.1", n.ip, n.name}
	signed(n.tls, "etcd/server-ca", "etcd/server-client", "etcd-server", nil, own)
	signed(n.tls, "etcd/server-ca", "etcd/client", "etcd-client", nil, nil)
	signed(n.tls, "etcd/peer-ca", "etcd/peer-server-client", "etcd-peer", nil, own)
	must(os.Chmod(n.tls, 0o700))
}

// The nth address of the services' network.
func (n *node) service(nth byte) string {
	address, _, err := net.ParseCIDR(n.one("service-cidr", "10.43.0.0/16"))
	must(err)
	address = address.To4()
	address[3] += nth
	return address.String()
}

func pool(files ...string) *x509.CertPool {
	all := x509.NewCertPool()
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(err)
		all.AppendCertsFromPEM(text)
	}
	return all
}

func (n *node) client(authority, certificate string) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: n.transport(authority, certificate)}
}

func (n *node) transport(authority, certificate string) *http.Transport {
	config := &tls.Config{RootCAs: pool(authority)}
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(certificate+".crt", certificate+".key")
		must(err)
		config.Certificates = []tls.Certificate{pair}
	}
	return &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: false}
}

// Asks the API server of this machine, as who may do all.
func (n *node) api(method, path string, body any) (map[string]any, error) {
	return call(n.client(n.tls+"/server-ca.crt", n.tls+"/client-k3s-controller"), method, "https://127.0.0.1:"+apiPort+path, body)
}

func call(client *http.Client, method, address string, body any) (map[string]any, error) {
	var input io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		must(err)
		input = strings.NewReader(string(text))
	}
	request, err := http.NewRequest(method, address, input)
	must(err)
	if request.Header.Set("Content-Type", "application/json"); method == "PATCH" {
		request.Header.Set("Content-Type", "application/strategic-merge-patch+json")
	}
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	found := map[string]any{}
	json.Unmarshal(text, &found)
	if answer.StatusCode >= 300 {
		return found, fmt.Errorf("%s: %s", answer.Status, strings.TrimSpace(string(text)))
	}
	return found, nil
}

// What is at a path of nested maps.
func at(value any, path ...string) any {
	for _, key := range path {
		all, _ := value.(map[string]any)
		value = all[key]
	}
	return value
}

// The one port of a server: its own questions are answered, all others are for the API server.
func (n *node) supervise(listener net.Listener) {
	pair, err := tls.LoadX509KeyPair(n.tls+"/serving-kube-apiserver.crt", n.tls+"/serving-kube-apiserver.key")
	must(err)
	clients := pool(n.tls + "/client-ca.crt")
	target, _ := url.Parse("https://127.0.0.1:" + apiPort)
	direct := func(request *http.Request) {
		request.URL.Scheme, request.URL.Host = target.Scheme, target.Host
		for name := range request.Header {
			if strings.HasPrefix(name, "X-Remote-") {
				request.Header.Del(name)
			}
		}
	}
	// Who comes with a certificate is told to the API server by the proxy's word.
	known := &httputil.ReverseProxy{Transport: n.transport(n.tls+"/server-ca.crt", n.tls+"/client-auth-proxy"), FlushInterval: -1, Director: func(request *http.Request) {
		direct(request)
		who := request.TLS.PeerCertificates[0].Subject
		request.Header.Set("X-Remote-User", who.CommonName)
		for _, group := range who.Organization {
			request.Header.Add("X-Remote-Group", group)
		}
	}}
	other := &httputil.ReverseProxy{Transport: n.transport(n.tls+"/server-ca.crt", ""), FlushInterval: -1, Director: direct}
	for _, proxy := range []*httputil.ReverseProxy{known, other} {
		proxy.ErrorHandler = func(out http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(out, "apiserver not ready", http.StatusServiceUnavailable)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/ping", func(out http.ResponseWriter, _ *http.Request) { io.WriteString(out, "pong") })
	mux.HandleFunc("/cacerts", func(out http.ResponseWriter, _ *http.Request) { io.WriteString(out, read(n.tls+"/server-ca.crt")+"\n") })
	mux.HandleFunc("/v1-k3s/readyz", n.only("node", func(out http.ResponseWriter, _ *http.Request) {
		if !n.up.Load() {
			http.Error(out, "starting", http.StatusServiceUnavailable)
			return
		}
		io.WriteString(out, "ok")
	}))
	mux.HandleFunc("/v1-k3s/server-bootstrap", n.only("server", n.handOver))
	mux.HandleFunc("/v1-k3s/agent", n.only("node", n.equip))
	mux.HandleFunc("/", func(out http.ResponseWriter, request *http.Request) {
		if len(request.TLS.PeerCertificates) > 0 {
			known.ServeHTTP(out, request)
		} else {
			other.ServeHTTP(out, request)
		}
	})
	web := &http.Server{Handler: mux, ErrorLog: quiet, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.VerifyClientCertIfGiven},
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}}
	must(web.ServeTLS(listener, "", ""))
}

// For those who know the password: servers may also do what agents may.
func (n *node) only(who string, answer http.HandlerFunc) http.HandlerFunc {
	return func(out http.ResponseWriter, request *http.Request) {
		name, password, _ := request.BasicAuth()
		if password == n.password && password != "" || who == "node" && (password == n.agentPassword || n.bootstrapToken(name, password)) {
			answer(out, request)
			return
		}
		http.Error(out, "Unauthorized", http.StatusUnauthorized)
	}
}

// What a server that joins needs of this one.
func (n *node) handOver(out http.ResponseWriter, _ *http.Request) {
	if !exists(n.data + "/server/db/etcd/name") {
		http.Error(out, "this server has no embedded etcd", http.StatusBadRequest)
		return
	}
	files := map[string]string{}
	for _, name := range shared() {
		files[name] = read(n.tls+"/"+name) + "\n"
	}
	json.NewEncoder(out).Encode(map[string]any{"files": files, "flags": n.mustMatch()})
}

// What must be the same on all servers.
func (n *node) mustMatch() map[string]string {
	all := map[string]string{}
	for _, name := range []string{"cluster-cidr", "cluster-dns", "cluster-domain", "service-cidr", "flannel-backend", "egress-selector-mode", "secrets-encryption",
		"disable-cloud-controller", "disable-helm-controller", "disable-network-policy", "embedded-registry"} {
		if all[name] = strings.Join(n.list(name), ","); all[name] == "false" {
			all[name] = ""
		}
	}
	return all
}

func (n *node) takeOver(address, token string) {
	var found struct {
		Files map[string]string
		Flags map[string]string
	}
	_, _, password := parseToken(token)
	client := trust(address, token)
	await("the server to join", func() error {
		request, err := http.NewRequest("GET", address+"/v1-k3s/server-bootstrap", nil)
		must(err)
		request.SetBasicAuth("server", password)
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusBadRequest {
			text, _ := io.ReadAll(answer.Body)
			fatal("starting kubernetes: preparing server: failed to validate server configuration: %s: %s", answer.Status, strings.TrimSpace(string(text)))
		}
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", answer.Status)
		}
		return json.NewDecoder(answer.Body).Decode(&found)
	})
	own := n.mustMatch()
	for name, value := range found.Flags {
		if own[name] != value {
			fatal("starting kubernetes: preparing server: failed to validate server configuration: critical configuration value mismatch between servers: %s", name)
		}
	}
	for name, text := range found.Files {
		mode := os.FileMode(0o600)
		if strings.HasSuffix(name, ".crt") {
			mode = 0o644
		}
		write(n.tls+"/"+filepath.Clean("/"+name), text, mode)
	}
}

// The administrator's way in.
func (n *node) admin() {
	path := n.one("write-kubeconfig", "/etc/rancher/k3s/k3s.yaml")
	mode, err := strconv.ParseUint(n.one("write-kubeconfig-mode", "0600"), 8, 32)
	must(err)
	kubeconfig(path, "https://127.0.0.1:"+n.port(), read(n.tls+"/server-ca.crt")+"\n", read(n.tls+"/client-admin.crt")+"\n", read(n.tls+"/client-admin.key")+"\n",
		n.one("write-kubeconfig-name", "default"), os.FileMode(mode))
	if group := n.one("write-kubeconfig-group", ""); group != "" {
		found, err := user.LookupGroup(group)
		must(err)
		number, _ := strconv.Atoi(found.Gid)
		must(os.Chown(path, 0, number))
	}
	info("Wrote kubeconfig %s", path)
}
