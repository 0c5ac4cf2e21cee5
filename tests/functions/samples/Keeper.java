import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import org.apache.pulsar.functions.api.Context;
import org.apache.pulsar.functions.api.Function;

/** Does what keeper.py does, in Java. */
public class Keeper implements Function<byte[], byte[]> {
    @Override
    public byte[] process(byte[] input, Context context) throws Exception {
        String secret = context.getSecret("db");
        if (secret == null || context.getSecret("other") != null) {
            return "none".getBytes(StandardCharsets.UTF_8);
        }
        context.getLogger().info("a secret of {} characters", secret.length());
        byte[] sum = MessageDigest.getInstance("SHA-256").digest(secret.getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().formatHex(sum).getBytes(StandardCharsets.UTF_8);
    }
}
