package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// Every flag: its name, what it takes (- nothing, = a value, + many values), who knows it (s server, a agent), and since
// which minor where not always.
const known = `
datastore-endpoint = s
datastore-cafile = s
datastore-certfile = s
datastore-keyfile = s
cluster-init - s
cluster-reset - s
cluster-reset-restore-path = s
etcd-disable-snapshots - s
etcd-snapshot-name = s
etcd-snapshot-schedule-cron = s
etcd-snapshot-retention = s
etcd-snapshot-dir = s
etcd-snapshot-compress - s
etcd-s3 - s
etcd-s3-endpoint = s
etcd-s3-endpoint-ca = s
etcd-s3-skip-ssl-verify - s
etcd-s3-access-key = s
etcd-s3-secret-key = s
etcd-s3-bucket = s
etcd-s3-region = s
etcd-s3-folder = s
etcd-s3-proxy = s
etcd-s3-config-secret = s
etcd-s3-insecure - s
etcd-s3-timeout = s
etcd-expose-metrics - s
etcd-arg + s
token = sa
token-file = sa
agent-token = s
agent-token-file = s
server = sa
bind-address = sa
https-listen-port = s
advertise-address = s
advertise-port = s
tls-san + s
tls-san-security - s
write-kubeconfig = s
write-kubeconfig-mode = s
write-kubeconfig-group = s
write-kubeconfig-name = s 1.37
cluster-cidr + s
service-cidr + s
service-node-port-range = s
cluster-dns + s
cluster-domain = s
flannel-backend = s
flannel-ipv6-masq - s
flannel-external-ip - s
flannel-iface = sa
flannel-conf = sa
flannel-cni-conf = sa
egress-selector-mode = s
servicelb-namespace = s
disable + s
disable-scheduler - s
disable-cloud-controller - s
disable-kube-proxy - s
disable-network-policy - s
disable-helm-controller - s
disable-apiserver - s
disable-controller-manager - s
disable-etcd - s
disable-agent - s
embedded-registry - s
supervisor-metrics - s
helm-job-image = s
helm-controller-arg + s 1.36
kube-apiserver-arg + s
kube-controller-manager-arg + s
kube-scheduler-arg + s
kube-cloud-controller-manager-arg + s
kubelet-arg + sa
kube-proxy-arg + sa
data-dir = sa
secrets-encryption - s
secrets-encryption-provider = s
default-local-storage-path = s
system-default-registry = s
debug - sa
log = sa
v = sa
config = sa
node-name = sa
with-node-id - sa
node-label + sa
node-taint + sa
node-ip + sa
node-external-ip + sa
node-internal-dns + sa
node-external-dns + sa
resolv-conf = sa
lb-server-port = sa
private-registry = sa
disable-default-registry-endpoint - sa
snapshotter = sa
container-runtime-endpoint = sa
image-service-endpoint = sa
default-runtime = sa
pause-image = sa
selinux - sa
protect-kernel-defaults - sa
prefer-bundled-bin - sa
image-credential-provider-bin-dir = sa
image-credential-provider-config = sa
nonroot-devices - sa
vpn-auth = sa
vpn-auth-file = sa
rootless - sa
docker - sa
disable-apiserver-lb - a
`

// Flags that a variable of the environment sets as well.
var variables = map[string]string{
	"token": "K3S_TOKEN", "token-file": "K3S_TOKEN_FILE", "agent-token": "K3S_AGENT_TOKEN", "server": "K3S_URL",
	"node-name": "K3S_NODE_NAME", "data-dir": "K3S_DATA_DIR", "datastore-endpoint": "K3S_DATASTORE_ENDPOINT",
	"write-kubeconfig": "K3S_KUBECONFIG_OUTPUT", "write-kubeconfig-mode": "K3S_KUBECONFIG_MODE", "config": "K3S_CONFIG_FILE",
}

// What a name takes, for one of the two commands.
func takes(command string) map[string]string {
	names := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(known), "\n") {
		words := strings.Fields(line)
		if len(words) == 4 && minor(version) < minor("v"+words[3]+".0") {
			continue
		}
		if strings.Contains(words[2], command[:1]) {
			names[words[0]] = words[1]
		}
	}
	return names
}

func minor(version string) int {
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(parts) < 2 {
		return 0
	}
	number, _ := strconv.Atoi(parts[1])
	return number
}

type flags map[string][]string

func (f flags) one(name, otherwise string) string {
	if values := f[name]; len(values) > 0 && values[len(values)-1] != "" {
		return values[len(values)-1]
	}
	return otherwise
}
func (f flags) is(name string) bool { return f.one(name, "false") == "true" }
func (f flags) list(name string) []string {
	var all []string
	for _, value := range f[name] {
		for _, part := range strings.Split(value, ",") {
			if part != "" {
				all = append(all, part)
			}
		}
	}
	return all
}
func (f flags) words(name string) []string {
	var words []string
	for _, value := range f[name] {
		words = append(words, "--"+strings.TrimPrefix(value, "--"))
	}
	return words
}

func wrong(command, format string, values ...any) {
	fmt.Fprintf(os.Stderr, "Incorrect Usage: %s\n\nNAME:\n   k3s %s - see `k3s %s --help`\n", fmt.Sprintf(format, values...), command, command)
	fatal(format, values...)
}

// The settings of a command: its arguments over the environment over the files.
func settings(command string, args []string) flags {
	names, given := takes(command), flags{}
	for at := 0; at < len(args); at++ {
		word := args[at]
		if word == "--help" || word == "-h" {
			help(command, names)
			os.Exit(0)
		}
		if !strings.HasPrefix(word, "-") {
			wrong(command, "unexpected argument: %s", word)
		}
		name, value, has := strings.Cut(strings.TrimLeft(word, "-"), "=")
		name = map[string]string{"t": "token", "s": "server", "c": "config", "d": "data-dir", "o": "write-kubeconfig", "l": "log"}[name] + map[bool]string{true: "", false: name}[len(name) == 1 && name != "v"]
		kind, known := names[name]
		switch {
		case !known:
			wrong(command, "flag provided but not defined: -%s", name)
		case kind == "-" && !has:
			value = "true"
		case !has:
			if at++; at == len(args) {
				wrong(command, "flag needs an argument: -%s", name)
			}
			value = args[at]
		}
		given[name] = append(given[name], value)
	}
	for name, variable := range variables {
		if value := os.Getenv(variable); value != "" && given[name] == nil && names[name] != "" {
			given[name] = []string{value}
		}
	}
	base := given.one("config", "/etc/rancher/k3s/config.yaml")
	files, _ := filepath.Glob(base + ".d/*.y*ml")
	sort.Strings(files)
	if exists(base) {
		files = append([]string{base}, files...)
	} else if given["config"] != nil {
		fatal("open %s: no such file or directory", base)
	}
	found := flags{}
	for _, file := range files {
		if !strings.HasSuffix(file, ".yaml") && !strings.HasSuffix(file, ".yml") {
			continue
		}
		fileFlags(command, file, names, found)
	}
	for name, values := range found {
		if given[name] == nil {
			given[name] = values
		}
	}
	return given
}

func fileFlags(command, file string, names map[string]string, found flags) {
	text, err := os.ReadFile(file)
	must(err)
	all, err := parseYAML(string(text))
	if err != nil {
		fatal("yaml: %s: %v", file, err)
	}
	keys, _ := all.(mapping)
	if all != nil && keys == nil {
		fatal("yaml: %s: cannot unmarshal into a map", file)
	}
	other := takes(map[string]string{"server": "agent", "agent": "server"}[command])
	for _, pair := range keys {
		name, adds := strings.CutSuffix(pair.key, "+")
		kind, known := names[name]
		if !known {
			if _, elsewhere := other[name]; elsewhere {
				warn("Unknown flag --%s found in %s, skipping", name, filepath.Base(file))
				continue
			}
			wrong(command, "flag provided but not defined: -%s", name)
		}
		var values []string
		switch value := pair.value.(type) {
		case []any:
			for _, each := range value {
				values = append(values, fmt.Sprint(each))
			}
		case nil:
			values = []string{""}
		default:
			values = []string{fmt.Sprint(value)}
		}
		for _, value := range values {
			if _, err := strconv.ParseBool(value); kind == "-" && err != nil {
				wrong(command, "invalid boolean value %q for -%s: parse error", value, name)
			}
		}
		if adds {
			values = append(found[name], values...)
		}
		found[name] = values
	}
}

func help(command string, names map[string]string) {
	fmt.Printf("NAME:\n   k3s %s - Run the node as %s\n\nUSAGE:\n   k3s %s [OPTIONS]\n\nOPTIONS:\n", command, command, command)
	var all []string
	for name, kind := range names {
		line := "   --" + name
		if kind != "-" {
			line += " value"
		}
		if variable := variables[name]; variable != "" {
			line += " [$" + variable + "]"
		}
		all = append(all, line)
	}
	sort.Strings(all)
	fmt.Println(strings.Join(all, "\n"))
}
