// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sigPromote makes a postmaster look for the promote file.
const sigPromote = syscall.SIGUSR1

// serverUser is whose credential a server runs with when this process is root; nil when it is not.
var serverUser = sync.OnceValues(func() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("pgserver: PostgreSQL refuses to run as root: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
})

// RunAs makes a command run as the user that servers run as: postgres when this process is root, else nobody else.
func RunAs(cmd *exec.Cmd) {
	cred, err := serverUser()
	if err != nil {
		cmd.Err = errors.Join(cmd.Err, err)
	}
	if cred == nil {
		return
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Credential = cred
}

// Chown gives a path and all below it to the servers' user, when this process is root. Links are not followed.
func Chown(path string) error {
	cred, err := serverUser()
	if cred == nil || err != nil {
		return err
	}
	return filepath.WalkDir(path, func(name string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(name, int(cred.Uid), int(cred.Gid))
	})
}

// process is a running postmaster. The fields are written before done is closed and read after it.
type process struct {
	pid  int
	done chan struct{}
	err  error // how it ended
}

// launch starts cmd such that it is told to quit when this process dies, however it dies. The kernel sends that signal
// when the thread that started the child ends, so the thread is kept, locked, until the child has ended.
func launch(cmd *exec.Cmd) (*process, error) {
	RunAs(cmd)
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true // a Ctrl-C is for us
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.pid = cmd.Process.Pid
		started <- nil
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) signal(sig syscall.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := syscall.Kill(p.pid, sig); !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// kill ends the process and all its descendants with SIGKILL and returns when none of them runs. The process is
// stopped first: it can then neither start another child nor react to one that ends.
func (p *process) kill() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	children := descendants(p.pid)
	for _, pid := range append(children, p.pid) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	<-p.done
	for _, pid := range children {
		for alive(pid) {
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// descendants lists the processes below pid, nearest first.
func descendants(pid int) []int {
	parents := map[int][]int{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		child, _ := strconv.Atoi(filepath.Base(dir))
		if _, ppid, ok := procStat(child); ok {
			parents[ppid] = append(parents[ppid], child)
		}
	}
	found := []int{pid}
	for i := 0; i < len(found); i++ {
		found = append(found, parents[found[i]]...)
	}
	return found[1:]
}

// alive says whether a process runs. One that has ended and waits for its parent to notice does not.
func alive(pid int) bool {
	state, _, ok := procStat(pid)
	return ok && state != 'Z' && state != 'X'
}

// procStat reads state and parent from /proc/PID/stat, "PID (COMMAND) STATE PPID ...".
func procStat(pid int) (state byte, ppid int, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, 0, false
	}
	ppid, err = strconv.Atoi(string(fields[1]))
	return fields[0][0], ppid, err == nil
}

// removeSharedMemory removes the System V segment that a killed postmaster left, by its id in postmaster.pid.
func removeSharedMemory(id int) {
	_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
}

// lockFile creates or opens a file and takes its lock without waiting.
func lockFile(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
