package doorward.interop;

import java.util.List;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtIssuerValidator;
import org.springframework.security.oauth2.jwt.JwtTimestampValidator;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.oauth2.server.resource.web.BearerTokenResolver;
import org.springframework.security.oauth2.server.resource.web.HeaderBearerTokenResolver;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;

/** A resource server as Spring Boot configures it, with the two beans of docs/assertion.md. */
@SpringBootApplication
@RestController
public class AssertionServer {
    public static void main(String[] args) {
        SpringApplication.run(AssertionServer.class, args);
    }

    @PostMapping("/mcp")
    String who() {
        return "accepted";
    }

@Bean JwtDecoder assertions(@Value("${doorward.keys}") String keys) {
  var decoder = NimbusJwtDecoder.withJwkSetUri(keys) // http://doorward:9190/.well-known/jwks.json
      .jwsAlgorithm(SignatureAlgorithm.ES256)
      .validateType(false) // the verifier of the next line does
      .jwtProcessorCustomizer(p -> p.setJWSTypeVerifier(
          new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("mcp-auth+jwt"))))
      .build();
  decoder.setJwtValidator(new DelegatingOAuth2TokenValidator<>(
      new JwtTimestampValidator(), new JwtIssuerValidator("https://doorward.example.com"),
      new JwtClaimValidator<List<String>>("aud", aud -> aud != null && aud.contains("https://weather.internal"))));
  return decoder;
}

@Bean BearerTokenResolver resolver() { return new HeaderBearerTokenResolver("x-mcp-auth-assertion"); }
}
