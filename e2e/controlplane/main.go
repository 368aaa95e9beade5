// A real Kubernetes control plane in one program, for end-to-end tests.
//
//	controlplane up DIR      starts etcd, the API server, its controllers, the scheduler and fake nodes; prints the kubeconfig's path
//	controlplane down DIR    ends them
//
// Everything listens on 127.0.0.1. Each part runs as a process of its own: the same program, started with the part's name.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	"sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

func main() {
	if len(os.Args) < 3 {
		fail(fmt.Errorf("usage: controlplane up|down DIR"))
	}
	verb := os.Args[1]
	os.Args = os.Args[1:]
	switch verb {
	case "up":
		fail(up(os.Args[1]))
	case "down":
		fail(down(os.Args[1]))
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllers.NewControllerManagerCommand()))
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	case "kwok":
		fail(fakeNodes())
	default:
		fail(fmt.Errorf("unknown part %q", verb))
	}
}

// fakeNodes runs kwok, which plays the kubelets: pods get ready, no container runs.
func fakeNodes() error {
	// Kubernetes has registered flags of its own on the shared set, and kwok would clash with them
	pflag.CommandLine = pflag.NewFlagSet("kwok", pflag.ContinueOnError)
	global := pflag.NewFlagSet("global", pflag.ContinueOnError)
	global.ParseErrorsAllowlist.UnknownFlags = true
	global.Usage = func() {}
	ctx, _ := log.InitFlags(signals.SetupSignalContext(), global)
	ctx, err := config.InitFlags(ctx, global)
	if err != nil {
		return err
	}
	command := kwok.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(global)
	return command.ExecuteContext(ctx)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}
