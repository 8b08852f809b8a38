// A stand-in for k3s, for machines that cannot fetch the real one: from outside it behaves as k3s does, and inside it runs
// the real etcd, Kubernetes and containerd that tests/lab/cluster builds. What it leaves out: README.md.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Which release it is; the build says so.
var (
	version = "v0.0.0+k3s0"
	commit  = "00000000"
)

// What a lab's host has in place of what the real program carries inside.
const inside = "/opt/lab-k3s"

var commands = map[string]func(args []string){
	"server": server, "agent": agent, "token": token, "kubectl": kubectl, "ctr": ctr, "crictl": crictl,
	"etcd-snapshot": snapshot, "check-config": checkConfig, "certificate": certificate, "completion": func([]string) {},
}

func main() {
	args := os.Args[1:]
	name := filepath.Base(os.Args[0])
	if name != "kubectl" && name != "ctr" && name != "crictl" {
		if len(args) == 0 {
			usage(os.Stdout)
			return
		}
		name, args = args[0], args[1:]
	}
	switch name {
	case "--version", "-v":
		fmt.Printf("k3s version %s (%s)\ngo version %s\n", version, commit, runtime.Version())
	case "--help", "-h", "help":
		usage(os.Stdout)
	default:
		command, known := commands[name]
		if !known {
			fmt.Fprintf(os.Stderr, "No help topic for '%s'\n", name)
			os.Exit(3)
		}
		command(args)
	}
}

func usage(out *os.File) {
	fmt.Fprintf(out, "NAME:\n   k3s - Kubernetes, but small and simple (a stand-in for tests)\n\nUSAGE:\n   k3s [global options] command [command options]\n\nVERSION:\n   %s (%s)\n\nCOMMANDS:\n", version, commit)
	for _, name := range []string{"server", "agent", "kubectl", "crictl", "ctr", "check-config", "token", "etcd-snapshot", "certificate", "completion"} {
		fmt.Fprintf(out, "   %s\n", name)
	}
}

func say(level, format string, values ...any) {
	fmt.Fprintf(os.Stderr, "time=%q level=%s msg=%q\n", time.Now().UTC().Format(time.RFC3339), level, fmt.Sprintf(format, values...))
}
func info(format string, values ...any) { say("info", format, values...) }
func warn(format string, values ...any) { say("warning", format, values...) }

// The end: children die with their parent.
func fatal(format string, values ...any) {
	say("fatal", format, values...)
	os.Exit(1)
}

func must(err error) {
	if err != nil {
		fatal("%v", err)
	}
}

func read(path string) string {
	text, _ := os.ReadFile(path)
	return strings.TrimSpace(string(text))
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// Writes a file whole, or not at all.
func write(path, text string, mode os.FileMode) {
	must(os.MkdirAll(filepath.Dir(path), 0o755))
	must(os.WriteFile(path+".new", []byte(text), mode))
	must(os.Chmod(path+".new", mode))
	must(os.Rename(path+".new", path))
}

func become(path string, args ...string) {
	must(syscall.Exec(path, append([]string{filepath.Base(path)}, args...), os.Environ()))
}
