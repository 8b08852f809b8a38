package main

import (
	"context"
	"encoding/base64"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"net"
)

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func decoded(value any) string {
	text, _ := value.(string)
	bytes, _ := base64.StdEncoding.DecodeString(text)
	return string(bytes)
}

// Everything that is started, in order.
var (
	children  []*exec.Cmd
	childLock sync.Mutex
	ending    bool
	orders    = make(chan func())
)

// Children die with the thread that started them, so one thread starts them all and never ends.
func init() {
	go func() {
		runtime.LockOSThread()
		for order := range orders {
			order()
		}
	}()
}

// Starts a part. When it ends so does all.
func start(name string, log io.Writer, folder string, environment []string, words ...string) {
	command := exec.Command(words[0], words[1:]...)
	command.Stdout, command.Stderr, command.Dir = log, log, folder
	command.Env = append(os.Environ(), environment...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	done := make(chan error)
	orders <- func() { done <- command.Start() }
	if err := <-done; err != nil {
		fatal("%s did not start: %v", name, err)
	}
	childLock.Lock()
	children = append(children, command)
	childLock.Unlock()
	go func() {
		err := command.Wait()
		childLock.Lock()
		over := ending
		childLock.Unlock()
		if !over {
			fatal("%s exited: %v", name, err)
		}
	}()
}

// Ends what was started, last first; containers stay.
func endOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		info("Shutdown request received")
		childLock.Lock()
		ending = true
		for at := len(children) - 1; at >= 0; at-- {
			children[at].Process.Signal(syscall.SIGTERM)
		}
		childLock.Unlock()
		time.Sleep(300 * time.Millisecond)
		os.Exit(0)
	}()
}

// Says that it is up, to who started it.
func ready() {
	at := os.Getenv("NOTIFY_SOCKET")
	if at == "" {
		return
	}
	if strings.HasPrefix(at, "@") {
		at = "\x00" + at[1:]
	}
	if socket, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: at, Net: "unixgram"}); err == nil {
		socket.Write([]byte("READY=1"))
		socket.Close()
	}
}

// Waits until a thing is so; says every ten seconds that it waits.
func await(what string, is func() error) {
	for tries := 1; ; tries++ {
		err := is()
		if err == nil {
			return
		}
		if tries%100 == 0 {
			info("Waiting for %s: %v", what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func runs(words ...string) (string, error) {
	limit, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(limit, words[0], words[1:]...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
