package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const socket = "/run/k3s/containerd/containerd.sock"

func (n *node) containerd() {
	agent := n.data + "/agent/"
	var registry strings.Builder
	n.registries(&registry)
	pause := n.one("pause-image", "rancher/mirrored-pause:3.6")
	write(agent+"etc/containerd/config.toml", fmt.Sprintf(`version = 2
root = "%[1]scontainerd"
state = "/run/k3s/containerd"
[grpc]
  address = "%[2]s"
[plugins."io.containerd.internal.v1.opt"]
  path = "%[1]scontainerd"
[plugins."io.containerd.grpc.v1.cri"]
  stream_server_address = "127.0.0.1"
  stream_server_port = "10010"
  sandbox_image = "%[3]s"
  disable_apparmor = true
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "%[4]s"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "%[5]s"
  conf_dir = "%[1]setc/cni/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  BinaryName = "%[5]s/runc"
  SystemdCgroup = false
%[6]s`, agent, socket, pause, n.one("snapshotter", "overlayfs"), n.bin, registry.String()), 0o600)
	write(agent+"etc/crictl.yaml", "runtime-endpoint: unix://"+socket+"\n", 0o600)
	must(os.MkdirAll(agent+"containerd", 0o755))
	log, err := os.OpenFile(agent+"containerd/containerd.log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	must(err)
	info("Running containerd -c %setc/containerd/config.toml", agent)
	start("containerd", log, n.data, nil, n.bin+"/containerd", "-c", agent+"etc/containerd/config.toml")
	await("containerd", func() error { _, err := runs(n.bin+"/ctr", "-a", socket, "version"); return err })
	done := n.imports(map[string]string{})
	go func() {
		for ; ; time.Sleep(2 * time.Second) {
			done = n.imports(done)
		}
	}()
}

func (n *node) registries(out *strings.Builder) {
	file := n.one("private-registry", "/etc/rancher/k3s/registries.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return
	}
	all, err := parseYAML(string(text))
	if err != nil {
		fatal("yaml: %s: %v", file, err)
	}
	top, _ := all.(mapping)
	mirrors, _ := top.get("mirrors").(mapping)
	for _, mirror := range mirrors {
		about, _ := mirror.value.(mapping)
		endpoints, _ := about.get("endpoint").([]any)
		fmt.Fprintf(out, "[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.%q]\n  endpoint = [", mirror.key)
		for _, endpoint := range endpoints {
			fmt.Fprintf(out, "%q,", endpoint)
		}
		out.WriteString("]\n")
	}
	configs, _ := top.get("configs").(mapping)
	for _, config := range configs {
		about, _ := config.value.(mapping)
		for _, part := range []string{"auth", "tls"} {
			keys, _ := about.get(part).(mapping)
			if keys != nil {
				fmt.Fprintf(out, "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.%q.%s]\n", config.key, part)
			}
			for _, pair := range keys {
				if pair.key == "insecure_skip_verify" {
					fmt.Fprintf(out, "  %s = %v\n", pair.key, pair.value)
				} else {
					fmt.Fprintf(out, "  %s = %q\n", pair.key, fmt.Sprint(pair.value))
				}
			}
		}
	}
}

// Takes in the bundles of images that are new or have changed.
func (n *node) imports(done map[string]string) map[string]string {
	files, _ := filepath.Glob(n.data + "/agent/images/*")
	now := map[string]string{}
	for _, file := range files {
		about, err := os.Stat(file)
		unpack := map[string]string{".tar": "cat", ".gz": "gzip -dc", ".tgz": "gzip -dc", ".zst": "zstd -dcq", ".bz2": "bzip2 -dc"}[filepath.Ext(file)]
		if err != nil || about.IsDir() || unpack == "" {
			continue
		}
		state := fmt.Sprint(about.Size(), about.ModTime().UnixNano())
		now[file] = state
		if done[file] == state {
			continue
		}
		begun := time.Now()
		command := exec.Command("sh", "-c", unpack+` <"$1" | "$2" -a "$3" -n k8s.io images import -`, "sh", file, n.bin+"/ctr", socket)
		if said, err := command.CombinedOutput(); err != nil {
			say("error", "Unable to import images from %s: %v: %s", file, err, strings.TrimSpace(string(said)))
			continue
		}
		info("Imported images from %s in %s", file, time.Since(begun).Round(time.Millisecond))
	}
	return now
}
