// The Go client behind the face of the table: JSON requests and answers, a line each (see face.py).
//
//	client_table_go SERVICE_URL
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/log"
	"github.com/sirupsen/logrus"
)

type object map[string]any

type idText struct {
	Ref       int64 `json:"ref"`
	Ledger    int64 `json:"ledger"`
	Entry     int64 `json:"entry"`
	Partition int32 `json:"partition"`
	Batch     int32 `json:"batch"`
}

type schemaText struct {
	Type       string          `json:"type"`
	Definition json.RawMessage `json:"definition"`
}

type messageText struct {
	Payload        string            `json:"payload"`
	Value          any               `json:"value"`
	Key            string            `json:"key"`
	OrderingKey    string            `json:"ordering_key"`
	Properties     map[string]string `json:"properties"`
	EventTime      int64             `json:"event_time"`
	SequenceID     *int64            `json:"sequence_id"`
	DeliverAfterMs int64             `json:"deliver_after_ms"`
}

type request struct {
	ID     int64  `json:"id"`
	Op     string `json:"op"`
	Handle int64  `json:"handle"`

	Topic      string            `json:"topic"`
	Properties map[string]string `json:"properties"`
	Schema     *schemaText       `json:"schema"`
	Name       string            `json:"name"`

	Batching          *bool  `json:"batching"`
	BatchMax          uint   `json:"batch_max"`
	BatchByKey        bool   `json:"batch_by_key"`
	Compression       string `json:"compression"`
	Access            string `json:"access"`
	Chunking          bool   `json:"chunking"`
	SinglePartition   bool   `json:"single_partition"`
	InitialSequenceID *int64 `json:"initial_sequence_id"`

	Messages []messageText `json:"messages"`

	Topics        []string `json:"topics"`
	Pattern       string   `json:"pattern"`
	Subscription  string   `json:"subscription"`
	Type          string   `json:"type"`
	Position      string   `json:"position"`
	Queue         int      `json:"queue"`
	NackMs        int64    `json:"nack_ms"`
	AckTimeoutMs  int64    `json:"ack_timeout_ms"`
	BatchIndexAck bool     `json:"batch_index_ack"`
	ReadCompacted bool     `json:"read_compacted"`
	DeadLetter    *struct {
		Max          uint32 `json:"max"`
		Topic        string `json:"topic"`
		Subscription string `json:"subscription"`
	} `json:"dead_letter"`

	Start     any  `json:"start"`
	Inclusive bool `json:"inclusive"`

	Count     int     `json:"count"`
	TimeoutMs int64   `json:"timeout_ms"`
	Refs      []int64 `json:"refs"`
	Ref       int64   `json:"ref"`
	Place     any     `json:"place"`
	Time      *int64  `json:"time"`
}

// unsupported: the client has no such thing.
type unsupported string

func (why unsupported) Error() string { return string(why) }

type driver struct {
	client  pulsar.Client
	lock    sync.Mutex
	next    int64
	handles map[int64]any
	schemas map[int64]*schemaText
	refs    map[int64]pulsar.MessageID
	single  map[int64]bool // producers that send no batches
}

func (d *driver) keep(thing any, schema *schemaText) object {
	d.lock.Lock()
	defer d.lock.Unlock()
	d.next++
	d.handles[d.next] = thing
	d.schemas[d.next] = schema
	return object{"handle": d.next}
}

func (d *driver) handle(r *request) any {
	d.lock.Lock()
	defer d.lock.Unlock()
	return d.handles[r.Handle]
}

func (d *driver) idText(id pulsar.MessageID) idText {
	d.lock.Lock()
	defer d.lock.Unlock()
	d.next++
	d.refs[d.next] = id
	return idText{d.next, id.LedgerID(), id.EntryID(), id.PartitionIdx(), id.BatchIdx()}
}

func (d *driver) ref(number int64) pulsar.MessageID {
	d.lock.Lock()
	defer d.lock.Unlock()
	return d.refs[number]
}

func (d *driver) place(place any) pulsar.MessageID {
	switch at := place.(type) {
	case string:
		// The client's own two ids name no partition, which its seek wants.
		if at == "earliest" {
			return pulsar.NewMessageID(-1, -1, -1, 0)
		}
		return pulsar.NewMessageID(math.MaxInt64, math.MaxInt64, -1, 0)
	case float64:
		return d.ref(int64(at))
	}
	return nil
}

func schemaOf(wanted *schemaText) (pulsar.Schema, error) {
	if wanted == nil {
		return nil, nil
	}
	switch wanted.Type {
	case "STRING":
		return pulsar.NewStringSchema(nil), nil
	case "JSON":
		return pulsar.NewJSONSchemaWithValidation(string(wanted.Definition), nil)
	case "AVRO":
		return pulsar.NewAvroSchemaWithValidation(string(wanted.Definition), nil)
	case "AUTO":
		return nil, unsupported("no AUTO_CONSUME schema in this client")
	}
	return nil, unsupported("no schema " + wanted.Type + " in this client")
}

func (d *driver) producer(r *request) (object, error) {
	if r.InitialSequenceID != nil {
		return nil, unsupported("no initial sequence id in this client")
	}
	schema, err := schemaOf(r.Schema)
	if err != nil {
		return nil, err
	}
	options := pulsar.ProducerOptions{Topic: r.Topic, Name: r.Name, Properties: r.Properties, Schema: schema,
		DisableBatching: r.Batching != nil && !*r.Batching, BatchingMaxPublishDelay: time.Second,
		BatchingMaxMessages: r.BatchMax, EnableChunking: r.Chunking}
	options.CompressionType = map[string]pulsar.CompressionType{"lz4": pulsar.LZ4, "zlib": pulsar.ZLib,
		"zstd": pulsar.ZSTD, "snappy": pulsar.SNAPPY}[r.Compression]
	if r.Access == "fencing" {
		return nil, unsupported("no access mode ExclusiveWithFencing in this client")
	}
	options.ProducerAccessMode = map[string]pulsar.ProducerAccessMode{
		"exclusive": pulsar.ProducerAccessModeExclusive, "wait": pulsar.ProducerAccessModeWaitForExclusive}[r.Access]
	if r.BatchByKey {
		options.BatcherBuilderType = pulsar.KeyBasedBatchBuilder
	}
	if r.SinglePartition {
		options.MessageRouter = pulsar.NewSinglePartitionRouter()
	}
	producer, err := d.client.CreateProducer(options)
	if err != nil {
		return nil, err
	}
	ok := d.keep(producer, r.Schema)
	d.lock.Lock()
	d.single[ok["handle"].(int64)] = options.DisableBatching
	d.lock.Unlock()
	ok["name"], ok["topic"] = producer.Name(), producer.Topic()
	return ok, nil
}

func encode(message *messageText, out *pulsar.ProducerMessage) error {
	if message.Value == nil {
		payload, err := base64.StdEncoding.DecodeString(message.Payload)
		out.Payload = payload
		return err
	}
	switch value := message.Value.(type) {
	case string:
		out.Value = value
	case map[string]any:
		for name, field := range value {
			if number, isNumber := field.(float64); isNumber {
				value[name] = int(number)
			}
		}
		out.Value = value
	}
	return nil
}

func (d *driver) send(r *request) (object, error) {
	producer := d.handle(r).(pulsar.Producer)
	d.lock.Lock()
	batching := !d.single[r.Handle]
	d.lock.Unlock()
	ids := make([]pulsar.MessageID, len(r.Messages))
	failures := make([]error, len(r.Messages))
	var done sync.WaitGroup
	for at := range r.Messages {
		m := &r.Messages[at]
		out := &pulsar.ProducerMessage{Key: m.Key, OrderingKey: m.OrderingKey, Properties: m.Properties,
			SequenceID: m.SequenceID, DeliverAfter: time.Duration(m.DeliverAfterMs) * time.Millisecond}
		if m.Payload == "" && m.Value == nil && m.Properties == nil && !batching {
			return nil, unsupported("an empty message outside of a batch is not delivered")
		}
		if m.EventTime != 0 {
			out.EventTime = time.UnixMilli(m.EventTime)
		}
		if err := encode(m, out); err != nil {
			return nil, err
		}
		done.Add(1)
		producer.SendAsync(context.Background(), out,
			func(id pulsar.MessageID, _ *pulsar.ProducerMessage, err error) {
				ids[at], failures[at] = id, err
				done.Done()
			})
	}
	flushed := producer.Flush()
	done.Wait()
	if err := errors.Join(failures...); err != nil {
		for _, first := range failures {
			if first != nil {
				return nil, first
			}
		}
	}
	if flushed != nil {
		return nil, flushed
	}
	texts := []idText{}
	for _, id := range ids {
		texts = append(texts, d.idText(id))
	}
	return object{"ids": texts}, nil
}

func (d *driver) consumer(r *request) (object, error) {
	if r.AckTimeoutMs != 0 {
		return nil, unsupported("no ack timeout in this client")
	}
	schema, err := schemaOf(r.Schema)
	if err != nil {
		return nil, err
	}
	options := pulsar.ConsumerOptions{Topic: r.Topic, Topics: r.Topics, TopicsPattern: r.Pattern,
		AutoDiscoveryPeriod: time.Second, SubscriptionName: r.Subscription, Properties: r.Properties,
		ReceiverQueueSize: r.Queue, NackRedeliveryDelay: time.Duration(r.NackMs) * time.Millisecond, Name: r.Name,
		ReadCompacted: r.ReadCompacted, Schema: schema, EnableBatchIndexAcknowledgment: r.BatchIndexAck}
	options.Type = map[string]pulsar.SubscriptionType{"shared": pulsar.Shared, "failover": pulsar.Failover,
		"key_shared": pulsar.KeyShared}[r.Type]
	options.SubscriptionInitialPosition = pulsar.SubscriptionPositionEarliest
	if r.Position == "latest" {
		options.SubscriptionInitialPosition = pulsar.SubscriptionPositionLatest
	}
	if r.DeadLetter != nil {
		options.DLQ = &pulsar.DLQPolicy{MaxDeliveries: r.DeadLetter.Max + 1, DeadLetterTopic: r.DeadLetter.Topic,
			InitialSubscriptionName: r.DeadLetter.Subscription}
	}
	consumer, err := d.client.Subscribe(options)
	if err != nil {
		return nil, err
	}
	return d.keep(consumer, r.Schema), nil
}

func (d *driver) reader(r *request) (object, error) {
	schema, err := schemaOf(r.Schema)
	if err != nil {
		return nil, err
	}
	reader, err := d.client.CreateReader(pulsar.ReaderOptions{Topic: r.Topic, StartMessageID: d.place(r.Start),
		StartMessageIDInclusive: r.Inclusive, ReadCompacted: r.ReadCompacted, Schema: schema})
	if err != nil {
		return nil, err
	}
	return d.keep(reader, r.Schema), nil
}

func (d *driver) receive(r *request) (object, error) {
	limit, cancel := context.WithTimeout(context.Background(), time.Duration(r.TimeoutMs)*time.Millisecond)
	defer cancel()
	source := d.handle(r)
	messages := []object{}
	for len(messages) < r.Count {
		var message pulsar.Message
		var err error
		if reader, isReader := source.(pulsar.Reader); isReader {
			message, err = reader.Next(limit)
		} else {
			message, err = source.(pulsar.Consumer).Receive(limit)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			return nil, err
		}
		d.lock.Lock()
		schema := d.schemas[r.Handle]
		d.lock.Unlock()
		text, err := d.told(message, schema)
		if err != nil {
			return nil, err
		}
		messages = append(messages, text)
	}
	return object{"messages": messages}, nil
}

func (d *driver) told(message pulsar.Message, schema *schemaText) (object, error) {
	event := int64(0)
	if !message.EventTime().IsZero() {
		event = max(0, message.EventTime().UnixMilli())
	}
	properties := message.Properties()
	if properties == nil {
		properties = map[string]string{}
	}
	text := object{"id": d.idText(message.ID()),
		"payload": base64.StdEncoding.EncodeToString(message.Payload()), "key": nil, "ordering_key": nil,
		"properties": properties, "event_time": event, "publish_time": message.PublishTime().UnixMilli(),
		"producer": message.ProducerName(), "redelivery": message.RedeliveryCount(), "topic": message.Topic()}
	if message.Key() != "" {
		text["key"] = message.Key()
	}
	if message.OrderingKey() != "" {
		text["ordering_key"] = message.OrderingKey()
	}
	if schema == nil {
		return text, nil
	}
	if schema.Type == "STRING" {
		var value *string
		err := message.GetSchemaValue(&value)
		text["value"] = value
		return text, err
	}
	value := map[string]any{}
	err := message.GetSchemaValue(&value)
	text["value"] = value
	return text, err
}

func (d *driver) seek(r *request) error {
	source := d.handle(r)
	if r.Time != nil {
		at := time.UnixMilli(*r.Time)
		if reader, isReader := source.(pulsar.Reader); isReader {
			return reader.SeekByTime(at)
		}
		return source.(pulsar.Consumer).SeekByTime(at)
	}
	if reader, isReader := source.(pulsar.Reader); isReader {
		return reader.Seek(d.place(r.Place))
	}
	err := source.(pulsar.Consumer).Seek(d.place(r.Place))
	if err != nil && strings.Contains(err.Error(), "should perform on the individual partitions") {
		return unsupported("no seek over all partitions in this client")
	}
	return err
}

func (d *driver) lastID(r *request) (object, error) {
	source := d.handle(r)
	if reader, isReader := source.(pulsar.Reader); isReader {
		id, err := reader.GetLastMessageID()
		if err != nil {
			return nil, err
		}
		return object{"id": d.idText(id)}, nil
	}
	all, err := source.(pulsar.Consumer).GetLastMessageIDs()
	if err != nil {
		return nil, err
	}
	return object{"id": d.idText(all[0])}, nil
}

func (d *driver) close(r *request) error {
	thing := d.handle(r)
	d.lock.Lock()
	delete(d.handles, r.Handle)
	d.lock.Unlock()
	if closer, closes := thing.(interface{ Close() }); closes {
		closer.Close()
	}
	return nil
}

func (d *driver) acknowledge(r *request) error {
	consumer := d.handle(r).(pulsar.Consumer)
	switch r.Op {
	case "ack_cumulative":
		return consumer.AckIDCumulative(d.ref(r.Ref))
	case "nack":
		for _, ref := range r.Refs {
			consumer.NackID(d.ref(ref))
		}
		return nil
	}
	for _, ref := range r.Refs {
		if err := consumer.AckID(d.ref(ref)); err != nil {
			return err
		}
	}
	return nil
}

func (d *driver) perform(r *request) (object, error) {
	switch r.Op {
	case "producer":
		return d.producer(r)
	case "send":
		return d.send(r)
	case "last_sequence_id":
		return object{"value": d.handle(r).(pulsar.Producer).LastSequenceID()}, nil
	case "consumer":
		return d.consumer(r)
	case "reader":
		return d.reader(r)
	case "receive":
		return d.receive(r)
	case "ack", "ack_cumulative", "nack":
		return object{}, d.acknowledge(r)
	case "redeliver":
		return nil, unsupported("no redelivery of everything unacked in this client")
	case "seek":
		return object{}, d.seek(r)
	case "last_id":
		return d.lastID(r)
	case "available":
		return object{"value": d.handle(r).(pulsar.Reader).HasNext()}, nil
	case "unsubscribe":
		return object{}, d.handle(r).(pulsar.Consumer).Unsubscribe()
	case "close":
		return object{}, d.close(r)
	case "partitions":
		topics, err := d.client.TopicPartitions(r.Topic)
		return object{"topics": topics}, err
	}
	return nil, unsupported("no operation " + r.Op)
}

func (d *driver) answer(r *request) (answer object) {
	defer func() {
		if panicked := recover(); panicked != nil {
			answer = object{"id": r.ID, "error": object{"name": "panic", "text": fmt.Sprint(panicked)}}
		}
	}()
	ok, err := d.perform(r)
	var why unsupported
	var known *pulsar.Error
	switch {
	case errors.As(err, &why):
		return object{"id": r.ID, "unsupported": string(why)}
	case errors.As(err, &known):
		// The number has no name in the client; its text ends with it.
		words := strings.Split(err.Error(), ": ")
		return object{"id": r.ID, "error": object{"name": words[len(words)-1], "text": err.Error()}}
	case err != nil:
		return object{"id": r.ID, "error": object{"name": nameOf(err), "text": err.Error()}}
	}
	return object{"id": r.ID, "ok": ok}
}

// nameOf: the client hands most of the broker's errors on as "server error: Name: text", some as a text alone.
func nameOf(err error) string {
	words := strings.Split(err.Error(), ": ")
	if words[0] == "server error" && len(words) > 1 {
		return words[1]
	}
	return words[0]
}

func main() {
	quiet := logrus.New()
	quiet.SetLevel(logrus.WarnLevel)
	client, err := pulsar.NewClient(pulsar.ClientOptions{URL: os.Args[1], OperationTimeout: 60 * time.Second,
		Logger: log.NewLoggerWithLogrus(quiet)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	d := &driver{client: client, handles: map[int64]any{}, schemas: map[int64]*schemaText{},
		refs: map[int64]pulsar.MessageID{}, single: map[int64]bool{}}
	var writing sync.Mutex
	answers := json.NewEncoder(os.Stdout)
	requests := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	for {
		r := &request{}
		if err := requests.Decode(r); err == io.EOF {
			return
		} else if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		go func() {
			answer := d.answer(r)
			writing.Lock()
			defer writing.Unlock()
			_ = answers.Encode(answer)
		}()
	}
}
