package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	nodes "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	heartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	pods "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
)

// How the fake kubelets behave: kwok's own rules.
var stages = strings.Join([]string{nodes.DefaultNodeInit, heartbeat.DefaultNodeHeartbeatWithLease,
	pods.DefaultPodReady, pods.DefaultPodComplete, pods.DefaultPodDelete}, "\n---\n")

const (
	serviceRange = "10.96.0.0/16"
	nodeCount    = 3
	patience     = 2 * time.Minute
)

// up starts every part in order and returns when the nodes are ready.
func up(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := down(dir); err != nil {
		return err
	}
	for _, stale := range []string{"etcd", "pki"} {
		if err := os.RemoveAll(filepath.Join(dir, stale)); err != nil {
			return err
		}
	}
	ports, err := free(3)
	if err != nil {
		return err
	}
	server := fmt.Sprintf("https://127.0.0.1:%d", ports[0])
	admin, err := writeIdentities(dir, server)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "stages.yaml"), []byte(stages), 0o600); err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	local := func(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }
	p := &plane{dir: dir, server: server, admin: admin}
	p.start("etcd", "--data-dir", in("etcd"), "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", local(ports[1]), "--advertise-client-urls", local(ports[1]),
		"--listen-peer-urls", local(ports[2]), "--initial-advertise-peer-urls", local(ports[2]),
		"--initial-cluster", "default="+local(ports[2]))
	p.start("kube-apiserver", "--etcd-servers", local(ports[1]), "--bind-address", "127.0.0.1",
		"--secure-port", strconv.Itoa(ports[0]), "--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none",
		"--tls-cert-file", in("pki/server.crt"), "--tls-private-key-file", in("pki/server.key"),
		"--client-ca-file", in("pki/ca.crt"), "--anonymous-auth=false", "--authorization-mode", "RBAC", "--allow-privileged",
		"--service-account-issuer", "https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file", in("pki/accounts.pub"), "--service-account-signing-key-file", in("pki/accounts.key"),
		"--service-cluster-ip-range", serviceRange, "--profiling=false")
	p.await("the API server", func() error { _, err := p.request("GET", "/readyz", ""); return err })
	for _, name := range []string{"kube-controller-manager", "kube-scheduler"} {
		extra := []string{"--kubeconfig", in("kubeconfig"), "--leader-elect=false", "--secure-port", "0",
			"--kube-api-qps", "500", "--kube-api-burst", "1000", "--profiling=false"}
		if name == "kube-controller-manager" {
			extra = append(extra, "--root-ca-file", in("pki/ca.crt"), "--service-cluster-ip-range", serviceRange,
				"--service-account-private-key-file", in("pki/accounts.key"))
		}
		p.start(name, extra...)
	}
	p.start("kwok", "--kubeconfig", in("kubeconfig"), "--config", in("stages.yaml"), "--manage-all-nodes",
		"--node-lease-duration-seconds", "40", "--node-ip", "127.0.0.1", "--cidr", "10.244.0.0/16")
	for i := range nodeCount {
		p.await("a node", func() error { _, err := p.request("POST", "/api/v1/nodes", node(i)); return conflictIsFine(err) })
	}
	p.await("the nodes", func() error {
		list, err := p.request("GET", "/api/v1/nodes", "")
		if err == nil && strings.Count(strings.ReplaceAll(list, " ", ""), `"type":"Ready"`) < nodeCount {
			err = fmt.Errorf("not ready yet")
		}
		return err
	})
	p.await("the default service account", func() error {
		_, err := p.request("GET", "/api/v1/namespaces/default/serviceaccounts/default", "")
		return err
	})
	if p.err != nil {
		_ = down(dir)
		return p.err
	}
	fmt.Println(in("kubeconfig"))
	return nil
}

func node(i int) string {
	size := `{"cpu": "32", "memory": "256Gi", "pods": "500"}`
	return fmt.Sprintf(`{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-%d", "labels": {"kubernetes.io/hostname": "node-%d",
		"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "type": "kwok"}}, "status": {"allocatable": %s, "capacity": %s}}`, i, i, size, size)
}

func conflictIsFine(err error) error {
	if err != nil && strings.HasPrefix(err.Error(), "409") {
		return nil
	}
	return err
}

// plane is what runs so far. After the first error nothing more is started.
type plane struct {
	dir, server string
	admin       tls.Certificate
	running     []*exec.Cmd
	err         error
}

func (p *plane) start(name string, args ...string) {
	if p.err != nil {
		return
	}
	program, err := os.Executable()
	if err == nil {
		var log *os.File
		if log, err = os.Create(filepath.Join(p.dir, name+".log")); err == nil {
			defer log.Close()
			command := exec.Command(program, append([]string{name}, args...)...)
			command.Stdout, command.Stderr = log, log
			command.Env = append(os.Environ(), "GOGC=50")
			command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			if err = command.Start(); err == nil {
				p.running = append(p.running, command)
				err = p.remember(command.Process.Pid, name)
			}
		}
	}
	p.err = err
}

func (p *plane) remember(pid int, name string) error {
	file, err := os.OpenFile(filepath.Join(p.dir, "pids"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = fmt.Fprintln(file, pid, name)
	return err
}

// await repeats probe until it succeeds; a part that has ended, or two minutes, are errors.
func (p *plane) await(what string, probe func() error) {
	for began := time.Now(); p.err == nil; time.Sleep(50 * time.Millisecond) {
		err := probe()
		if err == nil {
			return
		}
		if time.Since(began) > patience {
			p.err = fmt.Errorf("gave up on %s: %w; the logs are in %s", what, err, p.dir)
		}
		for _, command := range p.running {
			var status syscall.WaitStatus
			if ended, _ := syscall.Wait4(command.Process.Pid, &status, syscall.WNOHANG, nil); ended == command.Process.Pid {
				p.err = fmt.Errorf("%s ended; its log is in %s", command.Args[1], p.dir)
			}
		}
	}
}

func (p *plane) request(method, path, body string) (string, error) {
	authority, err := os.ReadFile(filepath.Join(p.dir, "pki/ca.crt"))
	if err != nil {
		return "", err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{p.admin}}}}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, p.server+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(response.Body); err != nil {
		return "", err
	}
	if response.StatusCode >= 300 {
		return "", fmt.Errorf("%s %s", response.Status, answer.String())
	}
	return answer.String(), nil
}

// down ends what an earlier up has written down, last started first. A pid counts only while it runs this program.
func down(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	written, err := os.ReadFile(filepath.Join(dir, "pids"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(written)), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		pid, name, _ := strings.Cut(lines[i], " ")
		command, _ := os.ReadFile("/proc/" + pid + "/cmdline")
		parts := strings.Split(string(command), "\x00")
		if number, err := strconv.Atoi(pid); err == nil && len(parts) > 1 && parts[1] == name {
			// the API server would wait for its watches when asked politely; nothing here is worth that wait
			_ = syscall.Kill(number, syscall.SIGKILL)
		}
	}
	return os.Remove(filepath.Join(dir, "pids"))
}

// free finds ports that nobody has; all are held until all are known.
func free(count int) ([]int, error) {
	ports := make([]int, count)
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
