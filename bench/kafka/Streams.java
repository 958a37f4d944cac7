import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;

/**
 * Kafka Streams with the small transform: `java Streams PASSES JOB`, where the job is what every rung is told.
 * The feed is read PASSES times before it is measured, each time by an application of its own, so that all of it is compiled.
 */
public final class Streams {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Map<String, String> STATUS =
            Map.of("N", "new", "P", "paid", "S", "shipped", "C", "cancelled");
    private static final Map<String, String> CHANNEL =
            Map.of("W", "web shop", "T", "telephone", "B", "branch office");

    private final JsonNode job;
    private final MessageDigest digest;
    private final int warm;
    private final int total;
    private final CountDownLatch done = new CountDownLatch(1);
    private int count;
    private long wall;
    private long processor;
    private int from;

    private Streams(JsonNode job) throws Exception {
        this.job = job;
        this.digest = MessageDigest.getInstance("SHA-256");
        this.warm = job.get("warm").asInt();
        this.total = job.get("total").asInt();
    }

    public static void main(String[] arguments) throws Exception {
        JsonNode job = JSON.readTree(arguments[1]);
        for (int pass = 0; pass < Integer.parseInt(arguments[0]); pass++) {
            new Streams(job).run("warm-" + pass);
        }
        Streams measured = new Streams(job);
        measured.run("measured");
        double seconds = (System.nanoTime() - measured.wall) / 1e9;
        double used = (processor() - measured.processor) / 1e9;
        System.out.printf(
                java.util.Locale.ROOT,
                "{\"messages\": %d, \"seconds\": %f, \"processor\": %f, \"mebibytes\": %f}%n",
                measured.count - measured.from, seconds, used, peak());
        System.exit(0);
    }

    private void run(String name) throws Exception {
        Properties properties = new Properties();
        properties.put("application.id", job.get("group").asText() + "-" + name);
        properties.put("bootstrap.servers", job.get("at").asText());
        properties.put("state.dir", job.get("folder").asText());
        properties.put("num.stream.threads", 1);
        properties.put("commit.interval.ms", 500);
        properties.put("default.key.serde", Serdes.ByteArraySerde.class);
        properties.put("default.value.serde", Serdes.ByteArraySerde.class);
        properties.put("consumer.auto.offset.reset", "earliest");
        properties.put("consumer.isolation.level", "read_committed");
        properties.put("producer.compression.type", "zstd");
        properties.put("producer.acks", "all");
        properties.put("producer.linger.ms", 20);
        properties.put("producer.batch.size", 256 * 1024);
        StreamsBuilder builder = new StreamsBuilder();
        builder.<byte[], byte[]>stream(job.get("source").asText())
                .mapValues(this::each)
                .to(job.get("target").asText());
        try (KafkaStreams streams = new KafkaStreams(builder.build(), properties)) {
            streams.start();
            done.await();
        }
    }

    private byte[] each(byte[] value) {
        try {
            byte[] event = transform(value);
            count++;
            if (count == warm) {
                from = count;
                wall = System.nanoTime();
                processor = processor();
            }
            if (count == total) {
                done.countDown();
            }
            return event;
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private byte[] transform(byte[] value) throws Exception {
        JsonNode change = JSON.readTree(value);
        JsonNode before = change.get("before");
        JsonNode after = change.get("after");
        JsonNode source = change.get("source");
        String identity = "legacy|1|order|" + after.get("o_id").asText() + "|"
                + change.get("transaction").get("id").asText() + "|" + source.get("lsn").asText() + "|0";
        byte[] hash = digest.digest(identity.getBytes(StandardCharsets.UTF_8));
        ObjectNode event = JSON.createObjectNode();
        event.put("id", HexFormat.of().formatHex(hash, 0, 16));
        event.put("type", "com.example.sales.OrderChanged.v1");
        event.put("source", "/legacy/shop/order");
        event.put("subject", after.get("o_id").asText());
        event.set("committed", source.get("ts_ms"));
        event.set("position", source.get("lsn"));
        ObjectNode data = event.putObject("data");
        data.set("orderNumber", after.get("o_id"));
        data.put("status", STATUS.get(after.get("status").asText()));
        data.put("statusBefore", STATUS.get(before.get("status").asText()));
        data.put("customerNumber", after.get("customer").asText().strip());
        data.putObject("total").put("amount", money(after.get("total_cents"))).set("currency", after.get("currency"));
        data.putObject("totalBefore")
                .put("amount", money(before.get("total_cents")))
                .set("currency", before.get("currency"));
        data.put("discount", money(after.get("discount_cents")));
        data.set("lineCount", after.get("lines"));
        data.put("channel", CHANNEL.get(after.get("channel").asText()));
        data.set("placed", after.get("placed_ms"));
        ObjectNode address = data.putObject("address");
        address.set("street", after.get("street"));
        address.set("city", after.get("city"));
        data.put("remark", after.get("remark").asText());
        return JSON.writeValueAsBytes(event);
    }

    private static String money(JsonNode cents) {
        long amount = cents.asLong();
        long rest = amount % 100;
        return amount / 100 + (rest < 10 ? ".0" : ".") + rest;
    }

    private static long processor() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    private static double peak() throws Exception {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM")) {
                return Long.parseLong(line.split("\\s+")[1]) / 1024.0;
            }
        }
        return 0;
    }
}
