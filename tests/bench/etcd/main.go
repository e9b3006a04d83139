// SPDX-License-Identifier: BSD-2-Clause

// A client of etcd for the benchmarks: puts or linearizable gets of 16-byte
// keys, through the leader, -c of them under way, by as many goroutines.
//
//	-R N	so many a second; the latency of each counts from when it was
//		due, so that a stall is paid for by all that it delays
//	-w N	exits with 0 if N members answer and one of them leads
//	-l	prints which of the endpoints leads: 0, 1, ...
//	-k PID	puts one after another, kills PID, which leads, with -9, and
//		prints the time to the next put that succeeds, {"ms":[...]}
//
// It prints what `raftctl bench -j --distribution` prints.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/ioutil"
	"log"
	"math/rand"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/etcd/clientv3"
	"google.golang.org/grpc/grpclog"
)

var (
	endpoints = flag.String("S", "", "endpoints, a list with commas")
	get       = flag.Bool("g", false, "get")
	clients   = flag.Int("c", 1, "requests under way")
	keys      = flag.Int("r", 1000, "keys")
	rate      = flag.Int("R", 0, "requests a second")
	timeMs    = flag.Int("T", 1000, "milliseconds")
	size      = flag.Int("s", 64, "bytes of a value")
	wait      = flag.Int("w", 0, "members that must answer")
	leader    = flag.Bool("l", false, "print the leader")
	kill      = flag.Int("k", 0, "process to kill")
)

// One try of a put while there is no leader.
const failoverTry = 20 * time.Millisecond
const failoverPatience = 60 * time.Second

var percents = []float64{1, 5, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9,
	99.99, 100}

type result struct {
	Ops          int          `json:"ops"`
	Seconds      float64      `json:"seconds"`
	OpsPerS      float64      `json:"ops_per_s"`
	P50          float64      `json:"p50_us"`
	P90          float64      `json:"p90_us"`
	P99          float64      `json:"p99_us"`
	P999         float64      `json:"p999_us"`
	Max          float64      `json:"max_us"`
	Errors       int64        `json:"errors"`
	Distribution [][2]float64 `json:"distribution"`
}

func main() {
	flag.Parse()
	log.SetFlags(0)
	log.SetPrefix("peer_etcd: ")
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(ioutil.Discard,
		ioutil.Discard, ioutil.Discard))
	list := strings.Split(*endpoints, ",")
	switch {
	case *wait > 0:
		if led, members := survey(list); led < 0 || members < *wait {
			os.Exit(1)
		}
	case *leader:
		led, _ := survey(list)
		if led < 0 {
			log.Fatal("no leader")
		}
		fmt.Println(led)
	case *kill > 0:
		failover(list)
	default:
		led, _ := survey(list)
		if led < 0 {
			log.Fatal("no leader")
		}
		measure(list[led])
	}
}

func open(list []string) *clientv3.Client {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   list,
		DialTimeout: 2 * time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}
	return client
}

// Which endpoint leads, -1 for none, and how many answer.
func survey(list []string) (led, members int) {
	led = -1
	for i, endpoint := range list {
		client, err := clientv3.New(clientv3.Config{
			Endpoints:   []string{endpoint},
			DialTimeout: time.Second,
		})
		if err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(),
			time.Second)
		status, err := client.Status(ctx, endpoint)
		cancel()
		client.Close()
		if err != nil {
			continue
		}
		members++
		if status.Leader == status.Header.MemberId {
			led = i
		}
	}
	return led, members
}

func keyName(number int) string {
	return fmt.Sprintf("key:%012d", number)
}

func fill(client *clientv3.Client, value string) {
	var next int64 = -1
	var group sync.WaitGroup
	for i := 0; i < 64; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				key := int(atomic.AddInt64(&next, 1))
				if key >= *keys {
					return
				}
				_, err := client.Put(context.Background(),
					keyName(key), value)
				if err != nil {
					log.Fatal(err)
				}
			}
		}()
	}
	group.Wait()
}

func measure(endpoint string) {
	client := open([]string{endpoint})
	defer client.Close()
	value := strings.Repeat("v", *size)
	if *get {
		fill(client, value)
	}
	span := time.Duration(*timeMs) * time.Millisecond
	latencies := make([][]int64, *clients)
	var next, failed int64
	var group sync.WaitGroup
	start := time.Now()
	for i := 0; i < *clients; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			random := rand.New(rand.NewSource(int64(i)))
			for {
				begun := time.Now()
				if *rate > 0 {
					number := atomic.AddInt64(&next, 1) - 1
					begun = start.Add(time.Duration(number *
						int64(time.Second) / int64(*rate)))
					time.Sleep(time.Until(begun))
				}
				if begun.Sub(start) >= span {
					return
				}
				if !one(client, keyName(random.Intn(*keys)), value) {
					atomic.AddInt64(&failed, 1)
					continue
				}
				latencies[i] = append(latencies[i],
					int64(time.Since(begun)))
			}
		}(i)
	}
	group.Wait()
	report(latencies, time.Since(start), failed)
}

func one(client *clientv3.Client, key, value string) bool {
	if *get {
		answer, err := client.Get(context.Background(), key)
		return err == nil && len(answer.Kvs) == 1
	}
	_, err := client.Put(context.Background(), key, value)
	return err == nil
}

func report(latencies [][]int64, elapsed time.Duration, failed int64) {
	var all []int64
	for _, some := range latencies {
		all = append(all, some...)
	}
	if len(all) == 0 {
		log.Fatal("nothing succeeded")
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	at := func(percent float64) float64 {
		i := int(float64(len(all))*percent/100+0.999999) - 1
		if i < 0 {
			i = 0
		}
		return float64(all[i]) / 1e3
	}
	r := result{
		Ops:     len(all),
		Seconds: elapsed.Seconds(),
		OpsPerS: float64(len(all)) / elapsed.Seconds(),
		P50:     at(50),
		P90:     at(90),
		P99:     at(99),
		P999:    at(99.9),
		Max:     at(100),
		Errors:  failed,
	}
	for _, percent := range percents {
		r.Distribution = append(r.Distribution,
			[2]float64{percent, at(percent)})
	}
	text, err := json.Marshal(r)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
}

// Each endpoint has a connection of its own, and the living ones are asked in
// turn: the time is that of the cluster, not of a client's back-off.
func failover(list []string) {
	led, _ := survey(list)
	var others []*clientv3.Client
	for i, endpoint := range list {
		if i != led {
			others = append(others, open([]string{endpoint}))
		}
	}
	for _, client := range others {
		if !one(client, "k", "v") {
			log.Fatal("a put failed before the kill")
		}
	}
	killed := time.Now()
	if err := syscall.Kill(*kill, syscall.SIGKILL); err != nil {
		log.Fatal(err)
	}
	for i := 0; time.Since(killed) < failoverPatience; i++ {
		ctx, cancel := context.WithTimeout(context.Background(),
			failoverTry)
		_, err := others[i%len(others)].Put(ctx, "k", "v")
		cancel()
		if err == nil {
			fmt.Printf("{\"ms\":[%.3f]}\n",
				float64(time.Since(killed))/1e6)
			return
		}
	}
	log.Fatal("no put succeeded after the kill")
}
