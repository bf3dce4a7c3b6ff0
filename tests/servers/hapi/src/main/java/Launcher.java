import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.binary.api.IBinaryStorageSvc;
import ca.uhn.fhir.jpa.binstore.DatabaseBinaryContentStorageSvcImpl;
import ca.uhn.fhir.jpa.config.HapiJpaConfig;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.interceptor.UserRequestRetryVersionConflictsInterceptor;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirPostgresDialect;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.provider.JpaSystemProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import com.zaxxer.hikari.HikariDataSource;
import jakarta.persistence.EntityManagerFactory;
import java.util.Properties;
import javax.sql.DataSource;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.annotation.EnableTransactionManagement;

/**
 * HAPI FHIR JPA on a loopback port, over a PostgreSQL database that the caller made.
 * Arguments: the port, the JDBC URL. Prints "ready" when it answers. Referential integrity is on, as it comes.
 */
public class Launcher {
  public static void main(String[] args) throws Exception {
    System.setProperty("epr.jdbc", args[1]);
    AnnotationConfigApplicationContext spring = new AnnotationConfigApplicationContext(Beans.class);
    FhirContext fhir = spring.getBean(FhirContext.class);
    RestfulServer fhirServer = new RestfulServer(fhir);
    fhirServer.registerProviders(spring.getBean(ResourceProviderFactory.class).createProviders());
    fhirServer.registerProvider(spring.getBean(JpaSystemProvider.class));
    JpaCapabilityStatementProvider capability = new JpaCapabilityStatementProvider(
        fhirServer, spring.getBean(IFhirSystemDao.class), spring.getBean(JpaStorageSettings.class),
        spring.getBean(ISearchParamRegistry.class), spring.getBean(IValidationSupport.class));
    fhirServer.setServerConformanceProvider(capability);
    fhirServer.setDefaultResponseEncoding(EncodingEnum.JSON);
    DatabaseBackedPagingProvider pages = spring.getBean(DatabaseBackedPagingProvider.class);
    pages.setDefaultPageSize(200);
    pages.setMaximumPageSize(1000);
    fhirServer.setPagingProvider(pages);
    fhirServer.registerInterceptor(new UserRequestRetryVersionConflictsInterceptor());

    Server jetty = new Server();
    ServerConnector connector = new ServerConnector(jetty);
    connector.setHost("127.0.0.1");
    connector.setPort(Integer.parseInt(args[0]));
    jetty.addConnector(connector);
    ServletContextHandler servlets = new ServletContextHandler("/");
    servlets.addServlet(new ServletHolder(fhirServer), "/fhir/*");
    jetty.setHandler(servlets);
    jetty.start();
    System.out.println("ready");
    jetty.join();
  }

  @Configuration
  @EnableTransactionManagement
  @Import({JpaR4Config.class, HapiJpaConfig.class, ThreadPoolFactoryConfig.class, JpaBatch2Config.class,
      Batch2JobsConfig.class, SubscriptionSubmitterConfig.class, SubscriptionProcessorConfig.class,
      SubscriptionChannelConfig.class})
  public static class Beans {
    @Bean
    public JpaStorageSettings storageSettings() {
      JpaStorageSettings settings = new JpaStorageSettings();
      // Else an equal search is answered from a cache of a minute, and counts are stale.
      settings.setReuseCachedSearchResultsForMillis(null);
      return settings;
    }

    @Bean
    public PartitionSettings partitionSettings() {
      return new PartitionSettings();
    }

    @Bean
    public SubscriptionSettings subscriptionSettings() {
      return new SubscriptionSettings();
    }

    @Bean
    public IBinaryStorageSvc binaryStorageSvc() {
      return new DatabaseBinaryContentStorageSvcImpl();
    }

    @Bean
    public IEmailSender emailSender() {
      return details -> { };
    }

    @Bean(destroyMethod = "close")
    public DataSource dataSource() {
      HikariDataSource pool = new HikariDataSource();
      pool.setDriverClassName("org.postgresql.Driver");
      pool.setJdbcUrl(System.getProperty("epr.jdbc"));
      pool.setMaximumPoolSize(20);
      return pool;
    }

    @Bean
    public LocalContainerEntityManagerFactoryBean entityManagerFactory(
        ConfigurableListableBeanFactory beans, FhirContext fhir, JpaStorageSettings settings, DataSource pool) {
      LocalContainerEntityManagerFactoryBean factory =
          HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, fhir, settings);
      factory.setPersistenceUnitName("epr-tests");
      factory.setDataSource(pool);
      Properties jpa = new Properties();
      jpa.put("hibernate.dialect", HapiFhirPostgresDialect.class.getName());
      jpa.put("hibernate.hbm2ddl.auto", "update");
      jpa.put("hibernate.jdbc.batch_size", "30");
      jpa.put("hibernate.cache.use_query_cache", "false");
      jpa.put("hibernate.cache.use_second_level_cache", "false");
      jpa.put("hibernate.cache.use_structured_entries", "false");
      jpa.put("hibernate.cache.use_minimal_puts", "false");
      jpa.put("hibernate.search.enabled", "false");
      factory.setJpaProperties(jpa);
      return factory;
    }

    @Bean
    public PlatformTransactionManager transactionManager(EntityManagerFactory factory) {
      return new JpaTransactionManager(factory);
    }
  }
}
