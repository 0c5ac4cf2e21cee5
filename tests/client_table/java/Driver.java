// Maven's pulsar-client behind the face of the table: JSON requests and answers, a line each (see face.py).
//
//     java Driver SERVICE_URL

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import org.apache.pulsar.client.api.*;
import org.apache.pulsar.client.api.schema.Field;
import org.apache.pulsar.client.api.schema.GenericRecord;
import org.apache.pulsar.client.api.schema.GenericRecordBuilder;
import org.apache.pulsar.client.api.schema.GenericSchema;
import org.apache.pulsar.common.schema.SchemaInfo;
import org.apache.pulsar.common.schema.SchemaType;

public final class Driver {
    static final class Unsupported extends RuntimeException {
        Unsupported(String why) {
            super(why);
        }
    }

    private final PulsarClient client;
    private final AtomicInteger next = new AtomicInteger();
    private final Map<Integer, Object> handles = new ConcurrentHashMap<>();
    private final Map<Integer, Schema<?>> schemas = new ConcurrentHashMap<>();
    private final Map<Integer, MessageId> refs = new ConcurrentHashMap<>();

    private Driver(String serviceUrl) throws PulsarClientException {
        client = PulsarClient.builder().serviceUrl(serviceUrl).operationTimeout(60, TimeUnit.SECONDS).build();
    }

    private JsonObject answer(JsonObject request) {
        JsonObject answer = new JsonObject();
        answer.add("id", request.get("id"));
        try {
            answer.add("ok", perform(request.get("op").getAsString(), request));
        } catch (Unsupported why) {
            answer.addProperty("unsupported", why.getMessage());
        } catch (Exception failure) {
            Throwable cause = failure;
            while ((cause instanceof ExecutionException || cause instanceof CompletionException)
                    && cause.getCause() != null) {
                cause = cause.getCause();
            }
            JsonObject error = new JsonObject();
            error.addProperty("name", cause.getClass().getSimpleName());
            error.addProperty("text", String.valueOf(cause.getMessage()));
            answer.add("error", error);
        }
        return answer;
    }

    private JsonObject perform(String op, JsonObject r) throws Exception {
        switch (op) {
            case "producer": return producer(r);
            case "send": return send(r);
            case "last_sequence_id": return value(((Producer<?>) handle(r)).getLastSequenceId());
            case "consumer": return consumer(r);
            case "reader": return reader(r);
            case "receive": return receive(r);
            case "ack":
                for (JsonElement ref : r.getAsJsonArray("refs")) consumerOf(r).acknowledge(refs.get(ref.getAsInt()));
                return new JsonObject();
            case "ack_cumulative":
                consumerOf(r).acknowledgeCumulative(refs.get(r.get("ref").getAsInt()));
                return new JsonObject();
            case "nack":
                for (JsonElement ref : r.getAsJsonArray("refs")) {
                    consumerOf(r).negativeAcknowledge(refs.get(ref.getAsInt()));
                }
                return new JsonObject();
            case "redeliver":
                consumerOf(r).redeliverUnacknowledgedMessages();
                return new JsonObject();
            case "seek": return seek(r);
            case "last_id": return lastId(r);
            case "available": {
                JsonObject ok = new JsonObject();
                ok.addProperty("value", ((Reader<?>) handle(r)).hasMessageAvailable());
                return ok;
            }
            case "unsubscribe":
                consumerOf(r).unsubscribe();
                return new JsonObject();
            case "close":
                ((java.io.Closeable) handles.remove(r.get("handle").getAsInt())).close();
                return new JsonObject();
            case "partitions": {
                JsonArray topics = new JsonArray();
                client.getPartitionsForTopic(r.get("topic").getAsString()).get(30, TimeUnit.SECONDS)
                        .forEach(topics::add);
                JsonObject ok = new JsonObject();
                ok.add("topics", topics);
                return ok;
            }
            default: throw new Unsupported("no operation " + op);
        }
    }

    private static JsonObject value(long number) {
        JsonObject ok = new JsonObject();
        ok.addProperty("value", number);
        return ok;
    }

    private static String text(JsonObject r, String name, String otherwise) {
        return r.has(name) ? r.get(name).getAsString() : otherwise;
    }

    private static boolean flag(JsonObject r, String name, boolean otherwise) {
        return r.has(name) ? r.get(name).getAsBoolean() : otherwise;
    }

    private Object handle(JsonObject r) {
        return handles.get(r.get("handle").getAsInt());
    }

    private Consumer<?> consumerOf(JsonObject r) {
        return (Consumer<?>) handle(r);
    }

    private JsonObject keep(Object thing, Schema<?> schema) {
        int handle = next.incrementAndGet();
        handles.put(handle, thing);
        if (schema != null) schemas.put(handle, schema);
        JsonObject ok = new JsonObject();
        ok.addProperty("handle", handle);
        return ok;
    }

    private JsonObject told(MessageId id) {
        int ref = next.incrementAndGet();
        refs.put(ref, id);
        MessageIdAdv parts = (MessageIdAdv) id;
        JsonObject told = new JsonObject();
        told.addProperty("ref", ref);
        told.addProperty("ledger", parts.getLedgerId());
        told.addProperty("entry", parts.getEntryId());
        told.addProperty("partition", parts.getPartitionIndex());
        told.addProperty("batch", parts.getBatchIndex());
        return told;
    }

    private MessageId place(JsonElement place) {
        String name = place.getAsString();
        return name.equals("earliest") ? MessageId.earliest : name.equals("latest") ? MessageId.latest
                : refs.get(place.getAsInt());
    }

    private static Map<String, String> properties(JsonObject r) {
        Map<String, String> all = new HashMap<>();
        if (r.has("properties")) {
            r.getAsJsonObject("properties").entrySet().forEach(e -> all.put(e.getKey(), e.getValue().getAsString()));
        }
        return all;
    }

    private static Schema<?> schema(JsonObject r) {
        if (!r.has("schema")) return Schema.BYTES;
        JsonObject wanted = r.getAsJsonObject("schema");
        String type = wanted.get("type").getAsString();
        if (type.equals("STRING")) return Schema.STRING;
        if (type.equals("AUTO")) return Schema.AUTO_CONSUME();
        return Schema.generic(SchemaInfo.builder().name("Trip").type(SchemaType.valueOf(type))
                .schema(wanted.get("definition").toString().getBytes(StandardCharsets.UTF_8))
                .properties(Map.of()).build());
    }

    private static ProducerAccessMode access(String name) {
        switch (name) {
            case "exclusive": return ProducerAccessMode.Exclusive;
            case "wait": return ProducerAccessMode.WaitForExclusive;
            case "fencing": return ProducerAccessMode.ExclusiveWithFencing;
            default: return ProducerAccessMode.Shared;
        }
    }

    @SuppressWarnings("unchecked")
    private JsonObject producer(JsonObject r) throws Exception {
        Schema<Object> schema = (Schema<Object>) schema(r);
        boolean batching = flag(r, "batching", true);
        ProducerBuilder<Object> builder = client.newProducer(schema).topic(r.get("topic").getAsString())
                .compressionType(CompressionType.valueOf(text(r, "compression", "none").toUpperCase()))
                .accessMode(access(text(r, "access", "shared"))).enableBatching(batching).blockIfQueueFull(true)
                .properties(properties(r));
        if (batching) {
            builder.batchingMaxPublishDelay(1, TimeUnit.SECONDS)
                    .batchingMaxMessages(r.has("batch_max") ? r.get("batch_max").getAsInt() : 1000);
        }
        if (flag(r, "batch_by_key", false)) builder.batcherBuilder(BatcherBuilder.KEY_BASED);
        if (flag(r, "chunking", false)) builder.enableChunking(true);
        if (flag(r, "single_partition", false)) builder.messageRoutingMode(MessageRoutingMode.SinglePartition);
        if (r.has("name")) builder.producerName(r.get("name").getAsString());
        if (r.has("initial_sequence_id")) builder.initialSequenceId(r.get("initial_sequence_id").getAsLong());
        Producer<Object> made = builder.create();
        JsonObject ok = keep(made, schema);
        ok.addProperty("name", made.getProducerName());
        ok.addProperty("topic", made.getTopic());
        return ok;
    }

    private static Object encoded(Schema<?> schema, JsonObject message) {
        if (!message.has("value")) return Base64.getDecoder().decode(message.get("payload").getAsString());
        JsonElement value = message.get("value");
        if (!(schema instanceof GenericSchema)) return value.getAsString();
        GenericRecordBuilder record = ((GenericSchema<?>) schema).newRecordBuilder();
        value.getAsJsonObject().entrySet().forEach(e -> record.set(e.getKey(),
                e.getValue().getAsJsonPrimitive().isNumber() ? (Object) e.getValue().getAsInt()
                        : e.getValue().getAsString()));
        return record.build();
    }

    @SuppressWarnings("unchecked")
    private JsonObject send(JsonObject r) throws Exception {
        Producer<Object> producer = (Producer<Object>) handle(r);
        Schema<?> schema = schemas.get(r.get("handle").getAsInt());
        List<CompletableFuture<MessageId>> sent = new ArrayList<>();
        for (JsonElement each : r.getAsJsonArray("messages")) {
            JsonObject m = each.getAsJsonObject();
            TypedMessageBuilder<Object> builder = producer.newMessage().properties(properties(m));
            builder.value(encoded(schema, m));
            if (m.has("key")) builder.key(m.get("key").getAsString());
            if (m.has("ordering_key")) {
                builder.orderingKey(m.get("ordering_key").getAsString().getBytes(StandardCharsets.UTF_8));
            }
            if (m.has("event_time")) builder.eventTime(m.get("event_time").getAsLong());
            if (m.has("sequence_id")) builder.sequenceId(m.get("sequence_id").getAsLong());
            if (m.has("deliver_after_ms")) {
                builder.deliverAfter(m.get("deliver_after_ms").getAsLong(), TimeUnit.MILLISECONDS);
            }
            sent.add(builder.sendAsync());
        }
        producer.flushAsync();
        JsonArray ids = new JsonArray();
        for (CompletableFuture<MessageId> each : sent) ids.add(told(each.get(60, TimeUnit.SECONDS)));
        JsonObject ok = new JsonObject();
        ok.add("ids", ids);
        return ok;
    }

    @SuppressWarnings("unchecked")
    private JsonObject consumer(JsonObject r) throws Exception {
        Schema<Object> schema = (Schema<Object>) schema(r);
        String type = text(r, "type", "exclusive");
        ConsumerBuilder<Object> builder = client.newConsumer(schema)
                .subscriptionName(r.get("subscription").getAsString())
                .subscriptionType(type.equals("shared") ? SubscriptionType.Shared
                        : type.equals("failover") ? SubscriptionType.Failover
                        : type.equals("key_shared") ? SubscriptionType.Key_Shared : SubscriptionType.Exclusive)
                .subscriptionInitialPosition(text(r, "position", "earliest").equals("earliest")
                        ? SubscriptionInitialPosition.Earliest : SubscriptionInitialPosition.Latest)
                .receiverQueueSize(r.has("queue") ? r.get("queue").getAsInt() : 1000)
                .enableBatchIndexAcknowledgment(flag(r, "batch_index_ack", false))
                .readCompacted(flag(r, "read_compacted", false))
                .patternAutoDiscoveryPeriod(1, TimeUnit.SECONDS).properties(properties(r));
        if (r.has("pattern")) {
            builder.topicsPattern(Pattern.compile(r.get("pattern").getAsString()));
        } else if (r.has("topics")) {
            r.getAsJsonArray("topics").forEach(topic -> builder.topic(topic.getAsString()));
        } else {
            builder.topic(r.get("topic").getAsString());
        }
        if (r.has("name")) builder.consumerName(r.get("name").getAsString());
        if (r.has("nack_ms")) builder.negativeAckRedeliveryDelay(r.get("nack_ms").getAsLong(), TimeUnit.MILLISECONDS);
        if (r.has("ack_timeout_ms")) builder.ackTimeout(r.get("ack_timeout_ms").getAsLong(), TimeUnit.MILLISECONDS);
        if (r.has("dead_letter")) {
            JsonObject letter = r.getAsJsonObject("dead_letter");
            DeadLetterPolicy.DeadLetterPolicyBuilder policy = DeadLetterPolicy.builder()
                    .maxRedeliverCount(letter.get("max").getAsInt())
                    .deadLetterTopic(letter.get("topic").getAsString());
            if (letter.has("subscription")) {
                policy.initialSubscriptionName(letter.get("subscription").getAsString());
            }
            builder.deadLetterPolicy(policy.build());
        }
        return keep(builder.subscribe(), r.has("schema") ? schema : null);
    }

    @SuppressWarnings("unchecked")
    private JsonObject reader(JsonObject r) throws Exception {
        Schema<Object> schema = (Schema<Object>) schema(r);
        ReaderBuilder<Object> builder = client.newReader(schema).topic(r.get("topic").getAsString())
                .startMessageId(place(r.get("start")))
                .readCompacted(flag(r, "read_compacted", false));
        if (flag(r, "inclusive", false)) builder.startMessageIdInclusive();
        return keep(builder.create(), r.has("schema") ? schema : null);
    }

    private JsonObject receive(JsonObject r) throws Exception {
        Object source = handle(r);
        boolean valued = schemas.containsKey(r.get("handle").getAsInt());
        long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(r.get("timeout_ms").getAsLong());
        JsonArray messages = new JsonArray();
        while (messages.size() < r.get("count").getAsInt()) {
            int left = (int) Math.max(1, TimeUnit.NANOSECONDS.toMillis(until - System.nanoTime()));
            Message<?> message = source instanceof Reader ? ((Reader<?>) source).readNext(left, TimeUnit.MILLISECONDS)
                    : ((Consumer<?>) source).receive(left, TimeUnit.MILLISECONDS);
            if (message == null) break;
            messages.add(told(message, valued));
        }
        JsonObject ok = new JsonObject();
        ok.add("messages", messages);
        return ok;
    }

    private JsonObject told(Message<?> message, boolean valued) {
        JsonObject told = new JsonObject();
        told.add("id", told(message.getMessageId()));
        told.addProperty("payload", Base64.getEncoder().encodeToString(message.getData()));
        told.addProperty("key", message.hasKey() ? message.getKey() : null);
        told.addProperty("ordering_key",
                message.hasOrderingKey() ? new String(message.getOrderingKey(), StandardCharsets.UTF_8) : null);
        told.add("properties", new Gson().toJsonTree(message.getProperties()));
        told.addProperty("event_time", message.getEventTime());
        told.addProperty("publish_time", message.getPublishTime());
        told.addProperty("producer", message.getProducerName());
        told.addProperty("redelivery", message.getRedeliveryCount());
        told.addProperty("sequence_id", message.getSequenceId());
        told.addProperty("topic", message.getTopicName());
        if (valued) {
            Object value = message.getValue();
            if (value instanceof GenericRecord) {
                JsonObject record = new JsonObject();
                for (Field field : ((GenericRecord) value).getFields()) {
                    Object one = ((GenericRecord) value).getField(field);
                    if (one instanceof Number) {
                        record.addProperty(field.getName(), (Number) one);
                    } else {
                        record.addProperty(field.getName(), one == null ? null : one.toString());
                    }
                }
                told.add("value", record);
            } else {
                told.addProperty("value", String.valueOf(value));
            }
        }
        return told;
    }

    private JsonObject seek(JsonObject r) throws Exception {
        Object source = handle(r);
        if (r.has("time")) {
            long time = r.get("time").getAsLong();
            if (source instanceof Reader) ((Reader<?>) source).seek(time);
            else ((Consumer<?>) source).seek(time);
        } else {
            MessageId place = place(r.get("place"));
            if (source instanceof Reader) ((Reader<?>) source).seek(place);
            else ((Consumer<?>) source).seek(place);
        }
        return new JsonObject();
    }

    private JsonObject lastId(JsonObject r) throws Exception {
        Object source = handle(r);
        List<TopicMessageId> all = source instanceof Reader ? ((Reader<?>) source).getLastMessageIds()
                : ((Consumer<?>) source).getLastMessageIds();
        JsonObject ok = new JsonObject();
        ok.add("id", told(all.get(0)));
        return ok;
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = new PrintStream(System.out, false, "UTF-8");
        System.setOut(System.err);  // whatever a library prints is no answer
        Driver driver = new Driver(arguments[0]);
        var pool = Executors.newCachedThreadPool();
        var requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            JsonObject request = JsonParser.parseString(line).getAsJsonObject();
            pool.submit(() -> {
                JsonObject answer = driver.answer(request);
                synchronized (answers) {
                    answers.print(answer + "\n");
                    answers.flush();
                }
            });
        }
        System.exit(0);
    }
}
