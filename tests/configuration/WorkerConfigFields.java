import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import org.apache.pulsar.functions.worker.WorkerConfig;

/** Prints "name=default" for each setting of Pulsar's own class. */
public class WorkerConfigFields {
    public static void main(String[] arguments) throws Exception {
        WorkerConfig config = new WorkerConfig();
        for (Field field : WorkerConfig.class.getDeclaredFields()) {
            if (Modifier.isStatic(field.getModifiers())) continue;
            field.setAccessible(true);
            Object value = field.get(config);
            System.out.println(field.getName() + "=" + (value == null ? "" : value));
        }
    }
}
