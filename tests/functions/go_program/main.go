// A function program by the contract of Pulsar's Go SDK (-instance-conf, InstanceControl, an error ends it), which
// can't be had as a module of its own where this is built. gRPC server and Pulsar client are the real ones.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/apache/pulsar-client-go/pulsar"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
)

// Members of the configuration that are used here, as the SDK names them.
type conf struct {
	PulsarServiceURL     string
	InstanceID           int
	Port                 int
	ClusterName          string
	Tenant               string
	NameSpace            string
	Name                 string
	UserConfig           string
	SubscriptionType     int32
	SubscriptionName     string
	SubscriptionPosition int32
	SourceSpecsTopic     string
	SinkSpecsTopic       string
}

var received, processed atomic.Int64

// A message that is bytes already.
type raw []byte

type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error)      { return *v.(*raw), nil }
func (rawCodec) Unmarshal(data []byte, v any) error { *v.(*raw) = append(raw{}, data...); return nil }
func (rawCodec) Name() string                       { return "proto" }

func field(message []byte, number protowire.Number, value int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(message, number, protowire.VarintType), uint64(value))
}

// FunctionStatus, MetricsData and HealthCheckResult of InstanceCommunication.proto.
func answer(method string) ([]byte, error) {
	switch method {
	case "/proto.InstanceControl/HealthCheck":
		return field(nil, 1, 1), nil
	case "/proto.InstanceControl/GetFunctionStatus":
		return field(field(field(nil, 1, 1), 5, processed.Load()), 17, received.Load()), nil
	case "/proto.InstanceControl/GetMetrics":
		return field(field(nil, 2, received.Load()), 4, processed.Load()), nil
	}
	return nil, errors.New("no such method")
}

func serve(port int) {
	listener, err := net.Listen("tcp", ":"+strconv.Itoa(port))
	if err != nil {
		log.Fatal(err)
	}
	handler := func(_ any, stream grpc.ServerStream) error {
		var request raw
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		method, _ := grpc.MethodFromServerStream(stream)
		bytes, err := answer(method)
		if err != nil {
			return err
		}
		reply := raw(bytes)
		return stream.SendMsg(&reply)
	}
	server := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(handler))
	log.Fatal(server.Serve(listener))
}

func process(input pulsar.Message, c conf) ([]byte, error) {
	var config map[string]string
	if err := json.Unmarshal([]byte(c.UserConfig), &config); err != nil {
		return nil, err
	}
	if string(input.Payload()) == "bad" { // the first time: the folder stays when the program is started again
		if _, err := os.Stat("seen"); err != nil {
			return nil, errors.Join(errors.New("this input is bad"), os.WriteFile("seen", nil, 0o600))
		}
	}
	return []byte(string(input.Payload()) + config["suffix"]), nil
}

func main() {
	content := flag.String("instance-conf", "", "the configuration as JSON")
	flag.Parse()
	var c conf
	if err := json.Unmarshal([]byte(*content), &c); err != nil {
		log.Fatal(err)
	}
	client, err := pulsar.NewClient(pulsar.ClientOptions{URL: c.PulsarServiceURL})
	if err != nil {
		log.Fatal(err)
	}
	producer, err := client.CreateProducer(pulsar.ProducerOptions{Topic: c.SinkSpecsTopic})
	if err != nil {
		log.Fatal(err)
	}
	subscription := c.SubscriptionName
	if subscription == "" {
		subscription = c.Tenant + "/" + c.NameSpace + "/" + c.Name
	}
	options := pulsar.ConsumerOptions{Topic: c.SourceSpecsTopic, SubscriptionName: subscription, Type: pulsar.Shared}
	if c.SubscriptionType == 1 {
		options.Type = pulsar.Failover
	}
	if c.SubscriptionPosition == 1 {
		options.SubscriptionInitialPosition = pulsar.SubscriptionPositionEarliest
	}
	consumer, err := client.Subscribe(options)
	if err != nil {
		log.Fatal(err)
	}
	go serve(c.Port)
	fmt.Println("ready:", c.Name, c.InstanceID, c.ClusterName)
	for {
		message, err := consumer.Receive(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		received.Add(1)
		output, err := process(message, c)
		if err != nil {
			consumer.Nack(message)
			log.Fatal(err)
		}
		if _, err := producer.Send(context.Background(), &pulsar.ProducerMessage{Payload: output}); err != nil {
			log.Fatal(err)
		}
		if err := consumer.Ack(message); err != nil {
			log.Fatal(err)
		}
		processed.Add(1)
	}
}
