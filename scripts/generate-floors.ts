import { posix } from "node:path";
import { domains } from "./floors.ts";

const REFERENCE_ROOTS = Object.values(domains).map((d) => d.folder);

/** Every file that follows from the import table: path → text. */
export function floorFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const domain of Object.values(domains))
    files.set(`${domain.folder}/tsconfig.json`, folderProject(domain));
  files.set(
    "tsconfig.json",
    pretty({ files: [], references: [...REFERENCE_ROOTS, "test"].map((path) => ({ path })) }),
  );
  files.set("test/tsconfig.json", testProject());
  files.set(".oxlintrc.json", lintConfig());
  return files;
}

function folderProject(domain: (typeof domains)[keyof typeof domains]): string {
  const up = posix.relative(domain.folder, "");
  return pretty({
    extends: `${up}/tsconfig.base.json`,
    compilerOptions: {
      rootDir: ".",
      outDir: `${up}/.build/${domain.folder}`,
      tsBuildInfoFile: `${up}/.build/${domain.folder}.tsbuildinfo`,
    },
    include: ["**/*.ts"],
    exclude: ["**/*.test.ts"],
    references: domain.sees.map((name) => ({
      path: posix.relative(domain.folder, domains[name].folder),
    })),
  });
}

function testProject(): string {
  return pretty({
    extends: "../tsconfig.base.json",
    compilerOptions: {
      rootDir: "..",
      outDir: "../.build/test",
      tsBuildInfoFile: "../.build/test.tsbuildinfo",
      allowJs: true,
    },
    include: ["**/*.ts", "../src/**/*.test.ts", "../scripts/**/*.ts", "../scripts/**/*.mjs"],
    exclude: ["**/out/**"],
    references: REFERENCE_ROOTS.map((path) => ({ path: `../${path}` })),
  });
}

function lintConfig(): string {
  const every = [...new Set(Object.values(domains).flatMap((d) => d.packages))];
  return pretty({
    $schema: "./node_modules/oxlint/configuration_schema.json",
    plugins: ["typescript", "import", "unicorn", "oxc", "promise"],
    categories: { correctness: "error", suspicious: "error" },
    ignorePatterns: [".build", "dist", ".caisson", "native", "extensions", "docs", "sdk"],
    rules: {
      "typescript/no-explicit-any": "error",
      "typescript/consistent-type-imports": "error",
      "typescript/no-floating-promises": "error",
      "typescript/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "typescript/no-unsafe-type-assertion": "off",
      "typescript/no-unnecessary-type-parameters": "off",
      "import/consistent-type-specifier-style": ["error", "prefer-top-level"],
      "import/no-unassigned-import": "off",
      "unicorn/no-array-sort": "off",
      "unicorn/consistent-function-scoping": "off",
      "no-await-in-loop": "off",
      "import/no-named-as-default-member": "off",
      "oxc/no-async-endpoint-handlers": "off",
      "no-control-regex": "off",
      "no-underscore-dangle": "off",
      "no-shadow": "off",
      "typescript/no-misused-spread": "off",
      "typescript/no-unnecessary-type-conversion": "off",
      "promise/always-return": "off",
      "promise/no-multiple-resolved": "off",
      "no-console": "error",
      eqeqeq: "error",
    },
    overrides: [
      ...Object.values(domains).map((domain) => ({
        files: [`${domain.folder}/**/*.ts`],
        rules: {
          "no-restricted-imports": [
            "error",
            {
              paths: every
                .filter((name) => !domain.packages.includes(name))
                .map((name) => ({
                  name,
                  message: `not among the packages of ${domain.folder} in scripts/floors.ts`,
                })),
            },
          ],
        },
      })),
      {
        files: ["scripts/**", "test/**", "src/cli/**", "src/apps/**", "**/*.test.ts"],
        rules: { "no-console": "off", "no-restricted-imports": "off" },
      },
    ],
  });
}

function pretty(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
