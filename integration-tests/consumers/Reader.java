import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads a topic from its beginning to its end, committed records only: SERVERS TOPIC REGISTRY. A line of JSON for each record. */
public class Reader {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration POLL = Duration.ofSeconds(1);
    private static final Duration ANSWER_MAX = Duration.ofSeconds(10);
    /** Without anything new for so many polls, something is wrong. */
    private static final int SILENT_POLLS_MAX = 60;
    private static final String[][] KINDS = {{"task", "taskId"}, {"serviceOrder", "serviceOrder"}, {"item", "itemId"}};

    private final HttpClient http = HttpClient.newHttpClient();
    private final String registry;
    private final Map<Integer, Schema> schemas = new HashMap<>();

    Reader(String registry) {
        this.registry = registry;
    }

    private Schema asked(int id) {
        try {
            HttpRequest request = HttpRequest.newBuilder(URI.create(registry + "/schemas/ids/" + id)).timeout(ANSWER_MAX).build();
            String body = http.send(request, HttpResponse.BodyHandlers.ofString()).body();
            return new Schema.Parser().parse(JSON.readTree(body).get("schema").asText());
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    private GenericRecord decoded(byte[] value) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(value);
        if (bytes.remaining() < 5 || bytes.get() != 0) {
            throw new IOException("not framed: a zero byte and four bytes of schema id come first");
        }
        Schema schema = schemas.computeIfAbsent(bytes.getInt(), this::asked);
        BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, null);
        GenericRecord record = new GenericDatumReader<GenericRecord>(schema).read(null, decoder);
        if (!decoder.isEnd()) {
            throw new IOException("bytes are left behind the record");
        }
        return record;
    }

    /** What a change of state is about; a task's names its item, too. */
    private static String changed(GenericRecord event) {
        for (String[] kind : KINDS) {
            if (event.hasField(kind[1])) {
                return kind[0] + " " + event.get(kind[1]);
            }
        }
        return "order";
    }

    private void print(ConsumerRecord<byte[], byte[]> record) throws IOException {
        GenericRecord event = decoded(record.value());
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("key", new String(record.key(), StandardCharsets.UTF_8));
        line.put("partition", record.partition());
        line.put("offset", record.offset());
        line.put("id", new String(record.headers().lastHeader("ce_id").value(), StandardCharsets.UTF_8));
        line.put("record", event.getSchema().getFullName());
        line.put("orderKey", ((GenericRecord) event.get("cause")).get("orderKey").toString());
        if (event.hasField("from") && event.hasField("to")) {
            line.put("of", changed(event));
            line.put("from", event.get("from").toString());
            line.put("to", event.get("to").toString());
        }
        System.out.println(JSON.writeValueAsString(line));
    }

    private static Properties settings(String servers) {
        Properties settings = new Properties();
        settings.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, servers);
        settings.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "none");
        return settings;
    }

    void read(String servers, String topic) throws IOException {
        var bytes = new ByteArrayDeserializer();
        try (var kafka = new KafkaConsumer<byte[], byte[]>(settings(servers), bytes, bytes)) {
            List<TopicPartition> left = new ArrayList<>();
            for (PartitionInfo partition : kafka.partitionsFor(topic)) {
                left.add(new TopicPartition(topic, partition.partition()));
            }
            kafka.assign(left);
            kafka.seekToBeginning(left);
            // Of a committed reader: where the first transaction begins that is not settled yet.
            Map<TopicPartition, Long> ends = kafka.endOffsets(left);
            int silent = 0;
            while (true) {
                left.removeIf(partition -> kafka.position(partition) >= ends.get(partition));
                if (left.isEmpty()) {
                    return;
                }
                var records = kafka.poll(POLL);
                silent = records.isEmpty() ? silent + 1 : 0;
                if (silent >= SILENT_POLLS_MAX) {
                    throw new IOException("neither a record nor an end in " + left);
                }
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    print(record);
                }
            }
        }
    }

    public static void main(String[] args) throws IOException {
        new Reader(args[2]).read(args[0], args[1]);
    }
}
